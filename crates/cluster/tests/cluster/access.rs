//! Who may connect: users, tokens, TLS.

use std::path::Path;
use std::process::Command;

use longshore_cluster::testing::{Server, programs};
use longshore_cluster::{Access, Engine, EngineErrorKind, Nats, Settings};

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

/// An authority and a certificate for this machine; `false` if there is no openssl.
fn certify(directory: &Path) -> bool {
    let script = "
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 \
            -subj /CN=authority -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign &&
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr \
            -subj /CN=127.0.0.1 &&
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\nextendedKeyUsage=serverAuth,clientAuth' > ext &&
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out server.pem";
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(directory).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn a_connection_is_encrypted_by_an_authority_of_ones_own() {
    let directory = tempfile::tempdir().expect("a directory");
    if !certify(directory.path()) {
        return println!("notice: no openssl, the test of TLS passes over");
    }
    let file = |name: &str| directory.path().join(name);
    for program in programs() {
        let (certificate, key, authority) = (file("server.pem"), file("server.key"), file("ca.pem"));
        let tls = format!(
            "tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {authority:?}, verify: true }}"
        );
        let server = Server::start(&program, &tls);
        let servers = server.url();
        let trusting = Access { servers: servers.clone(), authority: Some(authority), ..Access::default() };
        // The server asks for a certificate as well.
        assert!(connect(trusting.clone()).is_err());
        let known = Access { certificate: Some((certificate, key)), ..trusting };
        let engine = connect(known.clone()).expect("connected");
        engine.create(&Settings::default()).expect("created");
        let untrusting = Access { authority: None, ..known };
        assert!(connect(untrusting).is_err(), "a certificate that no authority of this machine has signed");
    }
}
