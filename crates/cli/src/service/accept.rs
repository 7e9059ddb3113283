//! Takes connections, runs their handlers, makes room, refuses, and ends all of them at the stop.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet, spawn_local, yield_now};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Activity, Connection, LAST_CALL, Limits, Stream};

/// Connections that are being refused at a time. For one more the oldest is closed, which has had its answer for longest.
const REFUSED_AT_A_TIME: usize = 8;
/// How long a refusal may take.
const REFUSAL: Duration = Duration::from_secs(1);
/// After an error of `accept`, most likely too many open files: other connections have to end first.
const BREATH: Duration = Duration::from_millis(10);

/// How a service ended.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Connections that were cut at the end of the grace although a request was under way.
    pub cut: usize,
    /// When the grace is over, for what has to end after the connections.
    pub deadline: Instant,
}

/// Serves connections until `stop` is done, and then until they have ended or the grace is over.
///
/// `handle` makes the future that serves one connection; `refusal` is all that a connection gets for which there is no room.
///
/// # Panics
/// Outside of a `LocalSet`.
pub async fn serve<F>(
    listener: TcpListener,
    limits: Limits,
    refusal: &'static [u8],
    stop: impl Future<Output = ()>,
    handle: impl Fn(Connection) -> F,
) -> Served
where
    F: Future<Output = ()> + 'static,
{
    let (close, closing) = watch::channel(false);
    let mut guests = Guests::new(limits, refusal);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(ended) = guests.running.join_next_with_id() => {
                guests.forget(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) if guests.make_room().await => guests.admit(socket, &closing, &handle),
            Ok((socket, _)) => guests.refuse(socket).await,
            Err(_) => sleep(BREATH).await,
        }
    }
    let deadline = Instant::now() + limits.grace;
    drop(listener);
    // Nobody to tell is well.
    let _ = close.send(true);
    Served { cut: guests.end(deadline).await, deadline }
}

/// The connections that are open.
struct Guests {
    limits: Limits,
    refusal: &'static [u8],
    running: JoinSet<()>,
    known: HashMap<Id, (Activity, AbortHandle)>,
    refused: VecDeque<AbortHandle>,
}

impl Guests {
    fn new(limits: Limits, refusal: &'static [u8]) -> Self {
        Guests { limits, refusal, running: JoinSet::new(), known: HashMap::new(), refused: VecDeque::new() }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            // A handler that panics ends its own connection.
            Err(error) => error.id(),
        };
        self.known.remove(&id);
    }

    /// Whether there is room for one more, after the connection that has been silent longest was closed, if need be.
    async fn make_room(&mut self) -> bool {
        if self.known.len() < self.limits.connections {
            return true;
        }
        let idle = self.known.iter().filter_map(|(id, (activity, _))| Some((activity.idle()?, *id)));
        let Some((_, id)) = idle.filter(|(idle, _)| *idle >= self.limits.idle).max() else { return false };
        if let Some((_, abort)) = self.known.remove(&id) {
            abort.abort();
        }
        // Now its descriptor is closed.
        yield_now().await;
        true
    }

    fn admit<F>(
        &mut self,
        socket: TcpStream,
        closing: &watch::Receiver<bool>,
        handle: &impl Fn(Connection) -> F,
    ) where
        F: Future<Output = ()> + 'static,
    {
        let activity = Activity::new();
        let stream = Stream::new(socket, activity.clone(), self.limits.stall);
        let connection = Connection { stream, activity: activity.clone(), closing: closing.clone() };
        let abort = self.running.spawn_local(handle(connection));
        self.known.insert(abort.id(), (activity, abort));
    }

    async fn refuse(&mut self, socket: TcpStream) {
        while self.refused.len() >= REFUSED_AT_A_TIME {
            if let Some(oldest) = self.refused.pop_front() {
                oldest.abort();
            }
        }
        let mut stream = Stream::new(socket, Activity::new(), REFUSAL);
        let refusal = self.refusal;
        let answer = async move {
            // A client that does not read it loses it.
            let _ = stream.write_all(refusal).await;
            let _ = stream.shutdown().await;
        };
        let answering = spawn_local(async move { drop(timeout(REFUSAL, answer).await) });
        self.refused.push_back(answering.abort_handle());
        // Begins to answer, and closes the descriptor of the oldest.
        yield_now().await;
    }

    /// Waits until all have ended, which the silent ones do soon; cuts the rest at the deadline. Returns how many requests that cost.
    async fn end(mut self, deadline: Instant) -> usize {
        let last_call = (Instant::now() + LAST_CALL).min(deadline);
        if !self.wait_until(last_call).await {
            for (activity, abort) in self.known.values() {
                if !activity.is_busy() {
                    abort.abort();
                }
            }
        }
        if self.wait_until(deadline).await {
            return 0;
        }
        let cut = self.known.values().filter(|(activity, _)| activity.is_busy()).count();
        self.running.shutdown().await;
        cut
    }

    /// Whether all ended before.
    async fn wait_until(&mut self, moment: Instant) -> bool {
        let all = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                self.forget(ended);
            }
        };
        timeout_at(moment, all).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt, BufReader};
    use tokio::sync::oneshot;
    use tokio::task::LocalSet;

    use super::super::{Line, Lines};
    use super::*;

    const LIMITS: Limits = Limits {
        connections: 4,
        idle: Duration::from_millis(1),
        stall: Duration::from_secs(60),
        grace: Duration::from_secs(60),
    };
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Answers each line by itself; a line `hold` is under way for ever.
    async fn echo(connection: Connection) {
        let Connection { stream, activity, mut closing } = connection;
        let (read, mut write) = tokio::io::split(stream);
        let mut lines = Lines::new(BufReader::new(read), 100);
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                _ = closing.changed() => break,
            };
            let Ok(Line::Whole(line)) = line else { break };
            let _request = activity.begin();
            if line == b"hold" {
                std::future::pending::<()>().await;
            }
            let _ = write.write_all(&line).await;
        }
        let _ = write.shutdown().await;
    }

    struct Service {
        address: std::net::SocketAddr,
        stop: oneshot::Sender<()>,
        served: tokio::task::JoinHandle<Served>,
    }

    async fn start(limits: Limits) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let served = serve(listener, limits, b"full", async { drop(stopped.await) }, echo);
        Service { address, stop, served: spawn_local(served) }
    }

    impl Service {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.expect("it listens")
        }

        /// Asks until there is an answer: while the others have not been silent for long enough, it may be refused.
        async fn ask(&self, question: &str) -> TcpStream {
            let asked = timeout(PATIENCE, async {
                loop {
                    let mut stream = self.connect().await;
                    stream.write_all(format!("{question}\n").as_bytes()).await.expect("open");
                    let mut answer = vec![0; question.len()];
                    if stream.read_exact(&mut answer).await.is_ok() && answer == question.as_bytes() {
                        return stream;
                    }
                }
            });
            asked.await.expect("an answer")
        }

        async fn end(self) -> Served {
            drop(self.stop);
            timeout(PATIENCE, self.served).await.expect("it ends").expect("no panic")
        }
    }

    async fn read(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        let _ = timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("an end");
        text
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(LocalSet::new().run_until(test));
    }

    #[test]
    fn the_silent_make_room_and_the_busy_do_not() {
        run(async {
            let service = start(LIMITS).await;
            let mut silent = Vec::new();
            for _ in 0..50 {
                silent.push(service.connect().await);
            }
            drop(service.ask("question").await);
            // Four that are busy leave no room: the next is refused.
            let mut busy = Vec::new();
            for _ in 0..LIMITS.connections {
                let mut stream = service.ask("held").await;
                stream.write_all(b"hold\n").await.expect("open");
                busy.push(stream);
            }
            let refused = timeout(PATIENCE, async {
                loop {
                    let mut stream = service.connect().await;
                    stream.write_all(b"question\n").await.expect("open");
                    stream.shutdown().await.expect("open");
                    if read(&mut stream).await == "full" {
                        break;
                    }
                }
            });
            refused.await.expect("a refusal");
        });
    }

    #[test]
    fn a_stop_ends_the_silent_at_once_and_the_busy_after_the_grace() {
        run(async {
            let service = start(LIMITS).await;
            let (mut half, mut silent) = (service.connect().await, service.connect().await);
            half.write_all(b"half a line").await.expect("open");
            let served = service.end().await;
            assert_eq!(served.cut, 0);
            assert_eq!((read(&mut half).await, read(&mut silent).await), (String::new(), String::new()));

            let service = start(Limits { grace: Duration::from_millis(50), ..LIMITS }).await;
            let mut busy = service.connect().await;
            busy.write_all(b"held\nhold\n").await.expect("open");
            busy.read_exact(&mut [0; 4]).await.expect("an answer");
            tokio::task::yield_now().await;
            assert_eq!(service.end().await.cut, 1);
        });
    }

    #[test]
    fn a_client_that_does_not_read_is_cut() {
        run(async {
            let gone = Rc::new(Cell::new(false));
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
            let address = listener.local_addr().expect("an address");
            let noted = gone.clone();
            let flood = move |mut connection: Connection| {
                let noted = noted.clone();
                async move {
                    let _request = connection.activity.begin();
                    while connection.stream.write_all(&[7; 65536]).await.is_ok() {}
                    noted.set(true);
                }
            };
            let limits = Limits { stall: Duration::from_millis(20), ..LIMITS };
            spawn_local(serve(listener, limits, b"", std::future::pending(), flood));
            let _client = TcpStream::connect(address).await.expect("it listens");
            let deadline = Instant::now() + PATIENCE;
            while !gone.get() {
                assert!(Instant::now() < deadline, "it is still written to");
                sleep(Duration::from_millis(5)).await;
            }
        });
    }

    #[test]
    fn a_client_that_sends_too_much_gets_its_answer() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
            let address = listener.local_addr().expect("an address");
            let refuse = |mut connection: Connection| async move {
                connection.stream.write_all(b"too much").await.expect("open");
                connection.stream.shutdown().await.expect("closed");
            };
            spawn_local(serve(listener, LIMITS, b"", std::future::pending(), refuse));
            for _ in 0..20 {
                let mut client = TcpStream::connect(address).await.expect("it listens");
                client.write_all(&vec![7; 8 << 20]).await.expect("it is taken");
                assert_eq!(read(&mut client).await, "too much");
            }
        });
    }

    #[test]
    fn a_client_that_hangs_up_is_noticed_behind_what_it_has_sent() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
            let address = listener.local_addr().expect("an address");
            let (tell, told) = oneshot::channel::<()>();
            let tell = Cell::new(Some(tell));
            let wait = move |connection: Connection| {
                let tell = tell.take();
                async move {
                    connection.stream.hung_up().await;
                    drop(tell);
                }
            };
            spawn_local(serve(listener, LIMITS, b"", std::future::pending(), wait));
            let mut client = TcpStream::connect(address).await.expect("it listens");
            client.write_all(b"nobody reads this").await.expect("open");
            let mut told = std::pin::pin!(told);
            assert!(timeout(Duration::from_millis(300), &mut told).await.is_err(), "it is still there");
            client.shutdown().await.expect("open");
            assert!(timeout(PATIENCE, told).await.expect("it is noticed").is_err());
        });
    }
}
