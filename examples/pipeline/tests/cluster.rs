//! The same files on a cluster of this machine. Without a server (see `longshore_cluster::testing`) the test
//! says so and passes over.

use std::fs;
use std::process::Command;

use longshore_cli::process::{self, Finished};
use longshore_cluster::testing::{Server, programs};

#[test]
fn what_workers_have_stored_is_known_to_a_run_that_makes_the_index() {
    for program in programs() {
        let (server, directory) = (Server::start(&program, ""), tempfile::tempdir().expect("a directory"));
        fs::create_dir(directory.path().join("in")).expect("a directory");
        for number in 0..40 {
            let content = vec![b'a' + number % 20; 1_000];
            fs::write(directory.path().join(format!("in/{number}")), content).expect("a file");
        }
        let run = |arguments: &[&str]| -> Finished {
            let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-stages"));
            command.args(arguments).current_dir(directory.path()).env("LONGSHORE_NATS", server.url());
            let finished = process::run(&mut command).expect("it runs");
            assert_eq!(finished.code(), Some(0), "{arguments:?}: {finished}");
            finished
        };
        assert!(run(&["push", "in", "-o", "store"]).text().contains("40 files queued, 0 failed"));
        run(&["work", "-o", "store", "-j", "2"]);
        assert!(run(&["status"]).text().contains("40 of 40 jobs done, 0 dead letters"));
        assert!(run(&["push", "in", "-o", "store", "--resume", "--wait"]).text().contains("0 files queued"));
        let indexed = run(&["in", "-o", "store"]);
        assert!(indexed.text().contains("40 contents were known"), "{indexed}");
    }
}

#[test]
fn a_server_that_refuses_the_user_ends_the_commands_with_status_2() {
    let Some(program) = programs().pop() else { return };
    let server = Server::start(&program, "authorization { user: me, password: secret }");
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("in"), "a file").expect("a file");
    for arguments in [&["push", "in", "-o", "store"][..], &["work", "-o", "store"], &["status"]] {
        let run = |password: &str| -> Finished {
            let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-stages"));
            command.args(arguments).args(["--nats", &server.url(), "--nats-user", "me"]);
            command.current_dir(directory.path()).env("LONGSHORE_NATS_PASSWORD", password);
            process::run(&mut command).expect("it runs")
        };
        let refused = run("wrong");
        assert_eq!(refused.code(), Some(2), "{arguments:?}: {refused}");
        assert!(refused.complaints().contains("user, password, token"), "{refused}");
        assert_eq!(run("secret").code(), Some(0), "{arguments:?}");
    }
}
