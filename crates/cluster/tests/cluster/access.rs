//! Who may connect: users, tokens, credentials, TLS.

use longshore_cluster::testing::{Accounts, Certificates, Server, programs};
use longshore_cluster::{Access, Engine, EngineErrorKind, Nats, Settings};

use crate::support::wait_until;

fn connect(access: Access) -> Result<Nats, EngineErrorKind> {
    Nats::connect(&access, &"test".parse().expect("a name")).map_err(|error| error.kind())
}

#[test]
fn users_and_tokens_are_asked_for() {
    for program in programs() {
        let server = Server::start(&program, "authorization { user: me, password: secret }");
        let access = || Access { servers: server.url(), ..Access::default() };
        assert_eq!(connect(access()).err(), Some(EngineErrorKind::Denied));
        let user =
            |password: &str| Access { user: Some("me".into()), password: Some(password.into()), ..access() };
        assert_eq!(connect(user("wrong")).err(), Some(EngineErrorKind::Denied));
        let engine = connect(user("secret")).expect("connected");
        engine.create(&Settings::default()).expect("created");
        let address = server.url().replace("//", "//me:secret@");
        assert!(connect(Access { servers: address, ..Access::default() }).is_ok());

        let server = Server::start(&program, "authorization { token: sesame }");
        let access = || Access { servers: server.url(), ..Access::default() };
        assert_eq!(connect(access()).err(), Some(EngineErrorKind::Denied));
        assert!(connect(Access { token: Some("sesame".into()), ..access() }).is_ok());
        let missing = Access { credentials: Some("/none/at/all".into()), ..access() };
        assert_eq!(connect(missing).err(), Some(EngineErrorKind::Refused));
    }
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    // Reserved: no server listens there.
    let access = Access { servers: "nats://127.0.0.1:1".into(), ..Access::default() };
    assert_eq!(connect(access).err(), Some(EngineErrorKind::Unreachable));
    let access = Access { servers: "nats://:what:".into(), ..Access::default() };
    assert_eq!(connect(access).err(), Some(EngineErrorKind::Refused));
}

#[test]
fn a_connection_is_encrypted_by_an_authority_of_ones_own() {
    let (Some(own), Some(other)) = (Certificates::new(), Certificates::new()) else { return };
    for program in programs() {
        let server = Server::start(&program, &own.configuration(true));
        let servers = server.url();
        let trusting =
            Access { servers: servers.clone(), authority: Some(own.authority()), ..Access::default() };
        // The server asks for a certificate as well.
        assert_eq!(connect(trusting.clone()).err(), Some(EngineErrorKind::Denied));
        let known = Access { certificate: Some((own.certificate(), own.key())), ..trusting };
        let engine = connect(known.clone()).expect("connected");
        engine.create(&Settings::default()).expect("created");
        // A certificate that no authority of this machine has signed; or only another one.
        let untrusting = Access { authority: None, ..known.clone() };
        assert_eq!(connect(untrusting).err(), Some(EngineErrorKind::Denied));
        let wrong = Access { authority: Some(other.authority()), ..known.clone() };
        assert_eq!(connect(wrong).err(), Some(EngineErrorKind::Denied));
        let wrong = Access { certificate: Some((other.certificate(), other.key())), ..known };
        assert_eq!(connect(wrong).err(), Some(EngineErrorKind::Denied));
    }
}

#[test]
fn credentials_are_good_until_they_expire() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let accounts = Accounts::new();
    accounts.write_kinds(directory.path());
    for program in programs() {
        let server = Server::start(&program, accounts.configuration());
        let access =
            |name: &str| Access { servers: server.url(), credentials: Some(file(name)), ..Access::default() };
        connect(access("good")).expect("connected").create(&Settings::default()).expect("created");
        let kinds = ["expired", "foreign", "garbage", "none"].map(|name| connect(access(name)).err());
        let (denied, refused) = (Some(EngineErrorKind::Denied), Some(EngineErrorKind::Refused));
        assert_eq!(kinds, [denied, denied, refused, refused]);
    }
}

#[test]
fn a_user_whose_credentials_expire_is_denied_and_not_out_of_reach() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("credentials");
    let accounts = Accounts::new();
    for program in programs() {
        let server = Server::start(&program, accounts.configuration());
        // Long enough for a loaded machine to connect within.
        accounts.write_credentials(&file, Some(8));
        let access = Access { servers: server.url(), credentials: Some(file.clone()), ..Access::default() };
        let engine = connect(access).expect("connected");
        engine.create(&Settings::default()).expect("created");
        // While the client tries to connect anew, the server is out of reach.
        wait_until("it is denied", || {
            engine.counts().is_err_and(|error| {
                let is_denied = error.kind() == EngineErrorKind::Denied;
                assert!(!is_denied || error.to_string().contains("does not admit this user"), "{error}");
                is_denied
            })
        });
    }
}
