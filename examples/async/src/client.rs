//! Clients: one that asks what the command line says, and the many of the demonstration.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

use crate::backend::Backend;
use crate::cli::{Ask, Demo};
use crate::front::Front;
use crate::say;

/// The largest prime below 2^64: takes this service some seconds.
const HARD: u64 = 18_446_744_073_709_551_557;
/// Numbers that a patient client asks for.
const QUESTIONS: u64 = 10;

/// How often the demonstration looks whether the hard questions are being computed.
const LOOK: Duration = Duration::from_millis(1);

struct Connection {
    read: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Connection> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        Ok(Connection { read: BufReader::new(read).lines(), write })
    }

    async fn send(&mut self, question: &str) -> Result<()> {
        Ok(self.write.write_all(format!("{question}\n").as_bytes()).await?)
    }

    async fn receive(&mut self) -> Result<String> {
        self.read.next_line().await?.context("the service has hung up")
    }
}

/// Asks for each number in turn and prints the answers. Returns whether all were answered.
pub async fn ask(options: &Ask) -> Result<bool> {
    let mut connection = Connection::open(options.address).await?;
    let mut all = true;
    for number in &options.numbers {
        connection.send(number).await?;
        let answer = connection.receive().await?;
        all &= answer.contains(" = ");
        say(&answer);
    }
    Ok(all)
}

/// Runs a service and its clients on this one thread.
pub async fn demo(options: &Demo) -> Result<bool> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no address to listen on")?;
    let address = listener.local_addr()?;
    let front = Rc::new(Front::new(Backend::start(options.service)?));
    let (stop, stopped) = oneshot::channel::<()>();
    let (clients, impatient) = (options.clients, options.impatient);
    let seconds = LocalSet::new()
        .run_until(async {
            let serving = front.clone();
            let service = tokio::task::spawn_local(async move {
                serving.run(listener, async { drop(stopped.await) }).await
            });
            let start = Instant::now();
            // They take all workers and places, until they go.
            let mut hard = Vec::new();
            for _ in 0..impatient {
                let mut connection = Connection::open(address).await?;
                connection.send(&HARD.to_string()).await?;
                hard.push(connection);
            }
            // They are at it.
            while front.running() == 0 && impatient > 0 {
                tokio::time::sleep(LOOK).await;
            }
            let mut patient = JoinSet::new();
            for client in 0..clients {
                patient.spawn_local(questions(address, u64::from(client)));
            }
            drop(hard);
            while let Some(done) = patient.join_next().await {
                done??;
            }
            let seconds = start.elapsed().as_secs_f64();
            drop(stop);
            service.await?;
            anyhow::Ok(seconds)
        })
        .await?;
    let asked = u64::from(clients) * QUESTIONS;
    say(&format!("{clients} clients have {asked} answers, all correct, in {seconds:.2} s"));
    front.report()
}

/// A client that asks, and checks what it gets.
async fn questions(address: SocketAddr, client: u64) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    for question in 0..QUESTIONS {
        // About a hundred thousand to some million divisions each.
        let number = 1_000_000_000_000 + (client * QUESTIONS + question) * 1_000_003;
        connection.send(&number.to_string()).await?;
        check(number, &connection.receive().await?)?;
    }
    Ok(())
}

fn check(number: u64, answer: &str) -> Result<()> {
    let Some(factors) = answer.strip_prefix(&format!("{number} = ")) else {
        bail!("instead of the factors of {number}: {answer}");
    };
    let factors = factors.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    ensure!(factors.iter().product::<u64>() == number, "wrong factors: {answer}");
    Ok(())
}
