//! What each kind of record means to the track that is being interpreted.

use super::*;

/// Between two submissions that share a time lie at most so many nanoseconds.
const WIDEST: Nanos = 1_000;

impl Interpreter<'_> {
    pub(super) fn event(&mut self, event: Event, time: Nanos) -> Result<(), &'static str> {
        if is_stamped(event.kind) {
            self.time_submissions(time);
        }
        match event.kind {
            Kind::End | Kind::Ended => self.end(event, time)?,
            Kind::Begin => self.begin(event, time)?,
            Kind::Spawn => {
                let parent = self.current(time);
                self.log().ops.push(Op::Spawn(parent, event.arg, SpawnTime::Exact(time)));
            }
            Kind::Spawned => {
                let parent = self.parent();
                let place = self.log().ops.len();
                self.untimed_spawns.push(place);
                self.log().ops.push(Op::Spawn(parent, event.arg, SpawnTime::Unknown));
            }
            Kind::Submit | Kind::Submitted => self.submit(event, time),
            Kind::Put => self.put(event, time)?,
            Kind::Took | Kind::Stole | Kind::Got | Kind::StoleFork => self.took(event, time)?,
            Kind::Offer => self.offer(event, time),
            Kind::JoinFork | Kind::Wait => self.wait(event, time)?,
            Kind::Resume => self.resume(time)?,
            Kind::Joined => {
                if let Some(wait) = self.last_wait {
                    self.draft.joined.push((wait, TaskRef::unpack(event.extra)));
                }
            }
            Kind::Block => {
                self.interrupt(time);
                self.stack.push(Frame::Block);
            }
            Kind::Unblock => self.unblock(time)?,
            Kind::Forks => self.count_forks(event.arg),
            Kind::Depth => {
                let op = Op::Depth(self.now, event.arg & 0xffff);
                self.log().ops.push(op);
            }
            Kind::Cpu => self.cpu(event, time),
            Kind::Search | Kind::Park | Kind::Unpark | Kind::Start | Kind::Exit => self.idle(event, time)?,
            Kind::Pad | Kind::Extra | Kind::Time | Kind::Anchor => {}
        }
        Ok(())
    }

    /// Something comes on top of what is on the stack.
    fn interrupt(&mut self, time: Nanos) {
        self.current(time);
        self.advance(time);
        if let Some(Frame::Task(task, since)) = self.stack.last().copied() {
            self.run_until(task, since, time, true);
        }
    }

    /// What was on top is gone.
    fn go_on(&mut self, time: Nanos) {
        if let Some(Frame::Task(_, since)) = self.stack.last_mut() {
            *since = time;
        }
    }

    fn begin(&mut self, event: Event, time: Nanos) -> Result<(), &'static str> {
        let arg = EndArg::unpack(event.arg).ok_or("a task begins in a way that does not exist")?;
        self.interrupt(time);
        if arg.spawned > 0 {
            let parent = self.current(time);
            self.log().ops.push(Op::Spawn(parent, arg.spawned, SpawnTime::Unknown));
        }
        let task = self.new_task(time);
        self.last_take = None;
        self.task(task).source = arg.source;
        self.stack.push(Frame::Task(task, time));
        Ok(())
    }

    fn end(&mut self, event: Event, time: Nanos) -> Result<(), &'static str> {
        let arg = EndArg::unpack(event.arg).ok_or("a task ends in a way that does not exist")?;
        if event.kind == Kind::End {
            self.current(time);
        }
        let (task, since) = match self.stack.pop() {
            Some(Frame::Task(task, since)) => (task, Some(since)),
            frame => {
                self.stack.extend(frame);
                if !self.may_form() {
                    return Err("a task ends that has not begun");
                }
                (self.formed(), None)
            }
        };
        if arg.spawned > 0 {
            self.log().ops.push(Op::Spawn(Parent::Task(task), arg.spawned, SpawnTime::Unknown));
        }
        self.finish(task, arg);
        match since {
            Some(since) if event.kind == Kind::End => {
                self.run_until(task, since, time, false);
                self.task(task).end = time;
                if self.stack.is_empty() && self.is_worker {
                    self.doing = Activity::Own;
                }
                self.go_on(time);
            }
            // A task on top of one that runs has a time for its end.
            Some(_) if matches!(self.stack.last(), Some(Frame::Task(..))) => {
                return Err("a task on top of another ends without a time");
            }
            _ => self.pending.push(Pending(task, since)),
        }
        Ok(())
    }

    fn finish(&mut self, task: u32, arg: EndArg) {
        let number = self.ended;
        self.ended += 1;
        self.log().ended.push((number, task));
        let this = self.task(task);
        (this.number, this.label, this.source, this.outcome) = (number, arg.label, arg.source, arg.outcome);
    }

    fn submit(&mut self, event: Event, time: Nanos) {
        let parent = if event.kind == Kind::Submit { self.current(time) } else { self.parent() };
        let arg = InboxArg::unpack(event.arg);
        let is_exact = event.kind == Kind::Submit;
        let time = if is_exact { time } else { self.now };
        self.untimed.push(self.draft.submits.len() as u32);
        self.draft.submits.push(Submit { arg, parent, time, spacing: 0, latest: None, is_exact });
        self.count_submitted(parent, u64::from(arg.count), time);
    }

    fn count_submitted(&mut self, parent: Parent, count: u64, time: Nanos) {
        if let Parent::Thread(_) = parent {
            let track = self.this();
            if track.submitted == 0 {
                track.submitting.0 = time;
            }
            track.submitted += count;
            track.submitting.1 = time;
        }
    }

    /// Divides the time since the last look at the clock among the submissions since.
    fn time_submissions(&mut self, time: Nanos) {
        let about = SpawnTime::About(self.now + (time - self.now) / 2);
        for place in std::mem::take(&mut self.untimed_spawns) {
            if let Op::Spawn(_, _, when) = &mut self.log().ops[place] {
                *when = about;
            }
        }
        if self.untimed.is_empty() {
            return;
        }
        let untimed = std::mem::take(&mut self.untimed);
        let count = |draft: &Draft, i: &u32| u64::from(draft.submits[*i as usize].arg.count);
        let total: u64 = untimed.iter().map(|i| count(self.draft, i)).sum();
        let spacing = (time - self.now) / total.max(1);
        let latest = (spacing > WIDEST).then_some(time);
        let spacing = spacing.min(WIDEST);
        let mut cursor = self.now;
        for i in &untimed {
            let submit = &mut self.draft.submits[*i as usize];
            (submit.time, submit.spacing, submit.latest) = (cursor, spacing, latest);
            cursor += spacing * u64::from(submit.arg.count);
        }
        if !self.is_worker {
            self.this().submitting.1 = cursor;
        }
    }

    fn put(&mut self, event: Event, time: Nanos) -> Result<(), &'static str> {
        let arg = PlaceArg::unpack(event.arg).ok_or("tasks are put into a queue that does not exist")?;
        // What is handed back has been submitted before; between two tasks a worker submits nothing itself.
        let is_by_pool = arg.place == Place::Returned || arg.place == Place::Broadcast && self.may_form();
        let parent = match is_by_pool {
            true => {
                self.between(time, false);
                Parent::Unknown
            }
            false => self.current(time),
        };
        self.draft.puts.push(Put { arg, parent, time });
        if arg.place != Place::Returned {
            self.count_submitted(parent, u64::from(arg.count), time);
        }
        Ok(())
    }

    fn took(&mut self, event: Event, time: Nanos) -> Result<(), &'static str> {
        let missing = "tasks are taken from a queue that does not exist";
        let (from, count) = match event.kind {
            Kind::Took => {
                let arg = InboxArg::unpack(event.arg);
                (From::Inbox(arg), u32::from(arg.count))
            }
            Kind::Stole => {
                let arg = PlaceArg::unpack(event.arg).ok_or(missing)?;
                (From::Deque(u32::from(arg.worker)), u32::from(arg.count))
            }
            Kind::Got => {
                let arg = PlaceArg::unpack(event.arg).ok_or(missing)?;
                (From::Place(arg), u32::from(arg.count))
            }
            _ => (From::Offer(event.arg & 0x1fff, event.extra), 1),
        };
        self.between(time, true);
        let take = self.draft.takes.len() as u32;
        self.draft.takes.push(Take { track: self.track, from, count, time });
        // A theft of one may turn out to have been one of more.
        if count > 1 || count == 1 && matches!(from, From::Deque(_)) {
            self.log().ops.push(Op::Unload(take));
        }
        self.last_take = (count > 0).then_some(take);
        let own = self.this().worker();
        match from {
            From::Inbox(InboxArg { worker, .. }) if Some(u32::from(worker)) != own => {
                self.this().stolen += u64::from(count);
            }
            From::Deque(victim) if Some(victim) != own => self.this().stolen += u64::from(count),
            From::Offer(..) => self.this().stolen_forks += 1,
            _ => {}
        }
        Ok(())
    }

    /// The worker is between two tasks, or its task waits.
    fn between(&mut self, time: Nanos, found: bool) {
        if !self.may_form() {
            return self.advance(time);
        }
        if let Some(task) = self.forming.take() {
            let now = self.now;
            (self.task(task).begin, self.task(task).outcome) = (now, Outcome::Empty);
            self.cut(task);
        }
        if self.pending.is_empty() {
            if found && self.doing == Activity::SearchNothing {
                self.doing = Activity::SearchFound;
            }
            self.advance(time);
        } else {
            self.settle(time, false);
        }
        if self.stack.is_empty() {
            self.doing = Activity::Own;
        }
    }

    fn wait(&mut self, event: Event, time: Nanos) -> Result<(), &'static str> {
        let what = match event.kind {
            Kind::JoinFork => None,
            _ => Some(WaitFor::from_code(event.arg as u8).ok_or("a wait for something that does not exist")?),
        };
        let task = if let Parent::Task(task) = self.current(time) { Some(task) } else { None };
        self.interrupt(time);
        let wait = self.open_wait(task, time, what);
        if what.is_none() {
            self.draft.joins.push((wait, event.extra));
        }
        Ok(())
    }

    fn resume(&mut self, time: Nanos) -> Result<(), &'static str> {
        self.between(time, false);
        match self.stack.pop() {
            Some(Frame::Wait(wait)) => {
                self.draft.run.waits[wait as usize].end = time;
                self.last_wait = Some(wait);
            }
            other => self.began_before(other).ok_or("a wait ends that has not begun")?,
        }
        self.go_on(time);
        Ok(())
    }

    fn unblock(&mut self, time: Nanos) -> Result<(), &'static str> {
        self.advance(time);
        match self.stack.pop() {
            Some(Frame::Block) => {}
            other => self.began_before(other).ok_or("what blocked ends without a begin")?,
        }
        self.go_on(time);
        Ok(())
    }

    /// Puts back what was on the stack instead of the wait that ends, if that may have begun before the
    /// recording: the task that is there was seen as running.
    fn began_before(&mut self, top: Option<Frame>) -> Option<()> {
        match top {
            Some(frame @ Frame::Task(task, _)) if self.draft.run.tasks[task as usize].is_cut => {
                self.stack.push(frame);
                Some(())
            }
            None if !self.is_worker => Some(()),
            _ => None,
        }
    }

    fn count_forks(&mut self, count: u32) {
        self.forks += u64::from(count);
        self.this().forks += u64::from(count);
        if let Parent::Task(task) = self.parent() {
            let task = self.task(task);
            task.forks = task.forks.saturating_add(count);
        }
    }

    fn offer(&mut self, event: Event, time: Nanos) {
        let parent = self.current(time);
        let fork = (event.arg != u32::MAX).then(|| self.forks.saturating_sub(u64::from(event.arg)));
        let begin = if let Parent::Task(task) = parent { self.task(task).begin } else { 0 };
        let forks = self.forks;
        let forked = fork.map_or(time, |fork| forked_at(&self.log().forks, (time, forks), fork));
        let forked = forked.clamp(begin, time);
        self.draft.offers.push(Offer { track: self.track, parent, fork: event.extra, time, forked });
    }

    fn cpu(&mut self, event: Event, time: Nanos) {
        self.between(time, false);
        if let Some((before, used)) = self.cpu {
            let sample = Cpu {
                begin: before,
                end: time,
                used: event.extra.saturating_sub(used),
                voluntary: event.arg & 0xffff,
                involuntary: event.arg >> 16,
            };
            self.this().cpu.push(sample);
        }
        self.cpu = Some((time, event.extra));
    }

    fn idle(&mut self, event: Event, time: Nanos) -> Result<(), &'static str> {
        let before = self.doing;
        self.between(time, false);
        let doing = match event.kind {
            Kind::Search => Activity::SearchNothing,
            Kind::Park => {
                match Rest::from_code(event.arg as u8).ok_or("a sleep without a reason that exists")? {
                    Rest::Idle | Rest::Waiting => Activity::Parked,
                    Rest::Paused | Rest::Leased => Activity::Away,
                }
            }
            Kind::Start => {
                let core = event.arg >> 16;
                self.this().core = core.checked_sub(1);
                let name = self.draft.run.label((event.arg & 0xfff) as u16).to_owned();
                if !name.is_empty() {
                    self.this().name = name;
                }
                self.cpu = None;
                self.own_or_gone()
            }
            Kind::Exit => Activity::Gone,
            _ => self.own_or_gone(),
        };
        let is_waking = event.kind == Kind::Unpark && matches!(before, Activity::Parked | Activity::Away);
        if self.stack.is_empty() && self.is_worker {
            self.doing = if is_waking { Activity::Own } else { doing };
        }
        Ok(())
    }

    fn own_or_gone(&self) -> Activity {
        if self.is_worker { Activity::Own } else { Activity::Gone }
    }
}

/// About when fork number `fork` was made, if the number of forks is known at some times and `now`: between
/// two of them forks are taken to be evenly spread.
fn forked_at(known: &[(Nanos, u64)], now: (Nanos, u64), fork: u64) -> Nanos {
    let after = known.partition_point(|(_, forks)| *forks < fork);
    let (end, most) = known.get(after).copied().unwrap_or(now);
    let (begin, least) = after.checked_sub(1).map_or((0, 0), |before| known[before]);
    let place =
        fork.saturating_sub(least).saturating_sub(1) as f64 / most.saturating_sub(least).max(1) as f64;
    begin + (end.saturating_sub(begin) as f64 * place.min(1.0)) as Nanos
}
