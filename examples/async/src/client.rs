//! Clients: one that asks what the command line says, and the many of the demonstration.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use longshore_cli::end::{Failure, OrFail, Status};
use longshore_cli::{name, print, service};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet, spawn_local};

use crate::backend::Backend;
use crate::cli::{Ask, Demo};
use crate::front::Front;

/// The largest prime below 2^64: takes this service some seconds.
const HARD: u64 = 18_446_744_073_709_551_557;
/// Numbers that a patient client asks for.
const QUESTIONS: u64 = 10;

/// For the service of the demonstration, when it ends.
const GRACE: Duration = Duration::from_secs(30);

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

/// Asks for each number in turn and prints the answers.
pub fn ask(options: &Ask) -> Result<Status, Failure> {
    let runtime = crate::runtime().or_usage()?;
    runtime.block_on(async {
        let (signals, stop) =
            service::stop_signal("async").context("cannot listen for signals").or_usage()?;
        let mut connection = Connection::open(options.address).await.or_usage()?;
        let asking = async {
            let mut all = true;
            for number in &options.numbers {
                connection.send(number).await?;
                let answer = connection.receive().await?;
                all &= answer.contains(" = ");
                let answer = name::line(&answer).into_owned();
                print::report(|out| writeln!(out, "{answer}")).context("cannot write the report")?;
            }
            anyhow::Ok(all)
        };
        let all = until(asking, stop).await;
        match (all.transpose().or_failed()?, signals.first()) {
            (None, Some(signal)) => Ok(Status::stopped_by(signal)),
            (Some(true), _) => Ok(Status::DONE),
            (Some(false) | None, _) => Ok(Status::FAILED),
        }
    })
}

/// The result of the work, unless the stop comes first.
async fn until<T>(work: impl Future<Output = T>, stop: impl Future<Output = ()>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = stop => None,
    }
}

/// Runs a service and its clients on this one thread.
pub fn demo(options: &Demo) -> Result<Status, Failure> {
    let runtime = crate::runtime().or_usage()?;
    let local = LocalSet::new();
    let (front, served, seconds, signals) = local.block_on(&runtime, async {
        let (signals, interrupt) =
            service::stop_signal("async").context("cannot listen for signals").or_usage()?;
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("no address to listen on").or_usage()?;
        let address = listener.local_addr().or_usage()?;
        let front = Rc::new(Front::new(Backend::start(options.service).or_usage()?, GRACE).or_usage()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = front.clone();
        let service = spawn_local(async move { serving.run(listener, async { drop(stopped.await) }).await });
        let seconds = until(talk(options, address, &front), interrupt).await.transpose().or_failed()?;
        drop(stop);
        Ok((front, service.await.or_failed()?, seconds, signals))
    })?;
    drop(local);
    let asked = u64::from(options.clients) * QUESTIONS;
    if let Some(seconds) = seconds {
        let clients = options.clients;
        let text = format!("{clients} clients have {asked} answers, all correct, in {seconds:.2} s");
        print::report(|out| writeln!(out, "{text}")).context("cannot write the report").or_failed()?;
    }
    let status = front.report(served).or_failed()?;
    Ok(signals.first().filter(|_| seconds.is_none()).map_or(status, Status::stopped_by))
}

/// All clients of the demonstration; returns how many seconds the patient ones took.
async fn talk(options: &Demo, address: SocketAddr, front: &Front) -> Result<f64> {
    let start = Instant::now();
    // They take all workers and places, until they go.
    let mut hard = Vec::new();
    for _ in 0..options.impatient {
        let mut connection = Connection::open(address).await?;
        connection.send(&HARD.to_string()).await?;
        hard.push(connection);
    }
    // They are at it.
    while front.running() == 0 && options.impatient > 0 {
        tokio::time::sleep(LOOK).await;
    }
    let mut patient = JoinSet::new();
    for client in 0..options.clients {
        patient.spawn_local(questions(address, u64::from(client)));
    }
    drop(hard);
    while let Some(done) = patient.join_next().await {
        done??;
    }
    Ok(start.elapsed().as_secs_f64())
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
