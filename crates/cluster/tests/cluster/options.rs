//! Users, tokens, credentials and certificates in options and the environment: what is wrong is an error that
//! says so, and status 2.

use std::path::Path;

use longshore_cli::process::{self, Finished};
use longshore_cluster::testing::{Accounts, Certificates, Server, programs as servers};

use crate::programs;

/// A command with options and variables of the environment; no variable of the caller's reaches it.
fn run(command: &str, options: &[(&str, &Path)], variables: &[(&str, &Path)]) -> Finished {
    let directory = tempfile::tempdir().expect("a directory");
    let mut arguments = vec![command.to_owned()];
    for (name, value) in options {
        arguments.push(format!("--nats{name}={}", value.display()));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut run = programs::command(directory.path(), &arguments);
    for name in ["", "_USER", "_PASSWORD", "_TOKEN", "_CREDENTIALS", "_CA", "_CERT", "_KEY"] {
        run.env_remove(format!("LONGSHORE_NATS{name}"));
    }
    run.envs(variables.iter().map(|(name, value)| (format!("LONGSHORE_NATS{name}"), value)));
    process::run(&mut run).expect("it runs")
}

/// The server was reached, and admits the user: it knows that there is no such batch.
#[track_caller]
fn is_admitted(finished: &Finished) {
    assert_eq!(finished.code(), Some(1), "{finished}");
    assert!(finished.complaints().contains("there is no such batch"), "{finished}");
}

#[track_caller]
fn is_refused(finished: &Finished, because: &str) {
    assert_eq!(finished.code(), Some(2), "{finished}");
    assert!(finished.complaints().contains(because), "{finished}");
    assert!(!finished.complaints().contains("secret"), "{finished}");
}

const WRONG: &str = "the user, password, token or credentials are wrong, missing or expired";

#[test]
fn a_user_and_a_password_or_a_token() {
    for program in servers() {
        let server = Server::start(&program, "authorization { user: me, password: secret }");
        let url = server.url();
        let (url, me, secret, other) =
            (Path::new(&url), Path::new("me"), Path::new("secret"), Path::new("secret2"));
        is_admitted(&run("status", &[("", url), ("-user", me)], &[("_PASSWORD", secret)]));
        is_admitted(&run("status", &[], &[("", url), ("_USER", me), ("_PASSWORD", secret)]));
        let address = server.url().replace("//", "//me:secret@");
        is_admitted(&run("status", &[("", Path::new(&address))], &[]));
        is_refused(&run("status", &[("", url)], &[]), WRONG);
        // A worker waits for a server that is not there, and not for one that does not want it.
        for command in ["status", "work"] {
            is_refused(&run(command, &[("", url), ("-user", me)], &[("_PASSWORD", other)]), WRONG);
        }

        let server = Server::start(&program, "authorization { token: secret }");
        let url = server.url();
        let url = Path::new(&url);
        is_admitted(&run("status", &[("", url)], &[("_TOKEN", secret)]));
        is_refused(&run("status", &[("", url)], &[("_TOKEN", other)]), WRONG);
    }
}

#[test]
fn a_credentials_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let accounts = Accounts::new();
    accounts.write_kinds(directory.path());
    for program in servers() {
        let server = Server::start(&program, accounts.configuration());
        let url = server.url();
        let url = Path::new(&url);
        is_admitted(&run("status", &[("", url), ("-credentials", &file("good"))], &[]));
        is_admitted(&run("status", &[], &[("", url), ("_CREDENTIALS", &file("good"))]));
        // The option is stronger.
        let both =
            run("status", &[("", url), ("-credentials", &file("good"))], &[("_CREDENTIALS", &file("none"))]);
        is_admitted(&both);
        for (name, because) in
            [("expired", WRONG), ("foreign", WRONG), ("garbage", "garbage: "), ("none", "none: ")]
        {
            is_refused(&run("work", &[("", url)], &[("_CREDENTIALS", &file(name))]), because);
        }
    }
}

#[test]
fn an_authority_of_ones_own_and_a_certificate() {
    let (Some(own), Some(other)) = (Certificates::new(), Certificates::new()) else { return };
    let untrusted = "a certificate is missing or not trusted";
    for program in servers() {
        let server = Server::start(&program, &own.configuration(false));
        let url = server.url();
        let url = Path::new(&url);
        is_admitted(&run("status", &[("", url), ("-ca", &own.authority())], &[]));
        is_admitted(&run("status", &[], &[("", url), ("_CA", &own.authority())]));
        let encrypted = server.url().replace("nats://", "tls://");
        is_admitted(&run("status", &[("", Path::new(&encrypted))], &[("_CA", &own.authority())]));
        for command in ["status", "work"] {
            is_refused(&run(command, &[("", url), ("-ca", &other.authority())], &[]), untrusted);
        }
        is_refused(&run("status", &[("", url), ("-ca", Path::new("none.pem"))], &[]), "none.pem");

        // The server asks for a certificate as well.
        let server = Server::start(&program, &own.configuration(true));
        let url = server.url();
        let (url, authority) = (Path::new(&url), own.authority());
        let (certificate, key) = (own.certificate(), own.key());
        let known = [("", url), ("-ca", &authority), ("-cert", &certificate), ("-key", &key)];
        is_admitted(&run("status", &known, &[]));
        let known = [("", url), ("_CA", &authority), ("_CERT", &certificate), ("_KEY", &key)];
        is_admitted(&run("status", &[], &known));
        is_refused(&run("work", &[], &known[..2]), untrusted);
        is_refused(&run("status", &[], &known[..3]), "a certificate and its key belong together");

        // A server that does not encrypt.
        let server = Server::start(&program, "");
        let url = server.url();
        is_refused(&run("work", &[("", Path::new(&url)), ("-ca", &authority)], &[]), untrusted);
    }
}
