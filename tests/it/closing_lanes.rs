//! A lane whose pool closes while somebody is on the way in. Only a pool that pushes asks a rule of the user's on that way,
//! which is how a thread can be held there.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use longshore::{Placement, Pool};

use crate::support::{Gate, PATIENCE, Rig, wait_until};

/// Long enough for the second task to be accepted, in a pool that does that too early; another one takes no notice.
const HEAD_START: Duration = Duration::from_millis(100);

/// Two tasks come to a lane of one. The first is not in the pool yet, and will be refused. What has been promised to the second
/// is kept: it runs, or has been refused as well.
#[test]
fn what_a_lane_has_accepted_runs_although_the_pool_closes() {
    let (gate, held) = (Gate::new(), "the first");
    let visitor = gate.visitor();
    let rule = move |_: &longshore::PlacementView<'_>| {
        if thread::current().name() == Some(held) {
            visitor.pass();
        }
        0
    };
    let rig = Rig::with(Pool::builder().workers(1).placement(Placement::Custom(Arc::new(rule))));
    let gate = gate; // opens before the pool goes
    let lane = rig.lane(1).build().expect("a limit");
    thread::scope(|scope| {
        let first = lane.clone();
        let first = thread::Builder::new().name(held.into()).spawn_scoped(scope, move || first.submit(|| 1));
        gate.wait_for(1);
        let (tell, told) = mpsc::channel();
        let second = &lane;
        scope.spawn(move || tell.send(second.submit(|| 2)).expect("somebody listens"));
        let early = told.recv_timeout(HEAD_START);
        let pool = rig.pool();
        scope.spawn(move || pool.shutdown().expect("shuts down"));
        wait_until("it is closed", || rig.execute(|| ()).is_err());
        gate.open();
        let second = match early {
            Err(RecvTimeoutError::Timeout) => told.recv_timeout(PATIENCE).expect("an answer"),
            answer => answer.expect("an answer"),
        };
        if let Ok(second) = second {
            assert_eq!(second.join().expect("it was accepted before the close"), 2);
        }
        let first = first.expect("a thread").join().expect("no panic");
        assert!(first.is_err(), "the pool was closed");
    });
    assert_eq!(lane.stats().waiting + lane.stats().running, 0);
    rig.finish();
}
