//! Perfetto's own format: `TracePacket`s of `perfetto_trace.proto`, encoded by hand (the few fields that are
//! needed).
//!
//! Names are interned; all packets belong to one sequence.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::slices::{What, arrows, slices, task_name};
use crate::analysis::sleeps;
use crate::run::{Nanos, Run};

/// Numbers of fields, by message.
mod field {
    pub const PACKET: u32 = 1;
    pub const TIMESTAMP: u32 = 8;
    pub const SEQUENCE: u32 = 10;
    pub const TRACK_EVENT: u32 = 11;
    pub const INTERNED: u32 = 12;
    pub const SEQUENCE_FLAGS: u32 = 13;
    pub const TRACK: u32 = 60;
    pub const TRACK_UUID: u32 = 1;
    pub const TRACK_NAME: u32 = 2;
    pub const TRACK_PROCESS: u32 = 3;
    pub const TRACK_THREAD: u32 = 4;
    pub const TRACK_PARENT: u32 = 5;
    pub const TRACK_COUNTER: u32 = 8;
    pub const PROCESS_PID: u32 = 1;
    pub const PROCESS_NAME: u32 = 6;
    pub const THREAD_PID: u32 = 1;
    pub const THREAD_TID: u32 = 2;
    pub const THREAD_NAME: u32 = 5;
    pub const EVENT_NAMES: u32 = 2;
    pub const NAME_IID: u32 = 1;
    pub const NAME_TEXT: u32 = 2;
    pub const EVENT_TYPE: u32 = 9;
    pub const EVENT_NAME_IID: u32 = 10;
    pub const EVENT_TRACK: u32 = 11;
    pub const EVENT_COUNTER: u32 = 30;
    pub const EVENT_FLOWS: u32 = 47;
    pub const EVENT_LAST_FLOWS: u32 = 48;
}

const BEGIN: u64 = 1;
const END: u64 = 2;
const COUNTER: u64 = 4;
/// Interned names are known from here on; this packet needs them.
const FLAGS_FIRST: u64 = 1;
const FLAGS_NEXT: u64 = 2;

/// Descriptors: the process, the counter, then a track for each thread.
const PROCESS: u64 = 1;
const WAITING: u64 = 2;
const FIRST_TRACK: u64 = 16;

/// A message of protobuf.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    fn fixed(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn message(self, field: u32, message: Message) -> Self {
        self.bytes(field, &message.0)
    }
}

fn packet(out: &mut impl Write, flags: u64, content: Message) -> io::Result<()> {
    let content = content.number(field::SEQUENCE, 1).number(field::SEQUENCE_FLAGS, flags);
    out.write_all(&Message::default().message(field::PACKET, content).0)
}

fn event(out: &mut impl Write, time: Nanos, event: Message) -> io::Result<()> {
    packet(
        out,
        FLAGS_NEXT,
        Message::default().number(field::TIMESTAMP, time).message(field::TRACK_EVENT, event),
    )
}

/// Writes a run.
///
/// # Errors
/// Those of `out`.
pub fn write_perfetto(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let names = Names::new(run);
    names.write(out)?;
    write_tracks(run, out)?;
    let mut flows: BTreeMap<u32, Vec<(Nanos, u64)>> = BTreeMap::new();
    let mut targets: BTreeMap<u32, u64> = BTreeMap::new();
    for (id, arrow) in arrows(run).into_iter().enumerate() {
        let from = &run.tasks[arrow.to as usize].parent;
        if let crate::run::Parent::Task(parent) = from {
            flows.entry(*parent).or_default().push((arrow.from.1, id as u64 + 1));
        }
        targets.insert(arrow.to, id as u64 + 1);
    }
    let sleeps = sleeps(run);
    for track in 0..run.tracks.len() as u32 {
        let uuid = FIRST_TRACK + u64::from(track);
        let mut ends: Vec<Nanos> = Vec::new();
        for slice in slices(run, &sleeps, track) {
            while let Some(end) = ends.last().copied().filter(|end| *end <= slice.begin) {
                ends.pop();
                self::end(out, uuid, end)?;
            }
            ends.push(slice.end);
            let mut begin =
                Message::default().number(field::EVENT_TYPE, BEGIN).number(field::EVENT_TRACK, uuid);
            begin = begin.number(field::EVENT_NAME_IID, names.of(run, slice.what));
            if let What::Task(task) = slice.what {
                for (_, flow) in flows.get(&task).into_iter().flatten() {
                    begin = begin.fixed(field::EVENT_FLOWS, *flow);
                }
                if let Some(flow) = targets.get(&task) {
                    begin = begin.fixed(field::EVENT_LAST_FLOWS, *flow);
                }
            }
            event(out, slice.begin, begin)?;
        }
        while let Some(end) = ends.pop() {
            self::end(out, uuid, end)?;
        }
    }
    for (time, depth) in &run.waiting {
        let counter =
            Message::default().number(field::EVENT_TYPE, COUNTER).number(field::EVENT_TRACK, WAITING);
        event(out, *time, counter.number(field::EVENT_COUNTER, u64::from(*depth)))?;
    }
    out.flush()
}

fn end(out: &mut impl Write, uuid: u64, time: Nanos) -> io::Result<()> {
    event(out, time, Message::default().number(field::EVENT_TYPE, END).number(field::EVENT_TRACK, uuid))
}

fn write_tracks(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let name = run.pool.get("name").map_or("longshore", String::as_str);
    let process =
        Message::default().number(field::PROCESS_PID, 1).bytes(field::PROCESS_NAME, name.as_bytes());
    let descriptor =
        Message::default().number(field::TRACK_UUID, PROCESS).message(field::TRACK_PROCESS, process);
    packet(out, FLAGS_NEXT, Message::default().message(field::TRACK, descriptor))?;
    let counter = Message::default()
        .number(field::TRACK_UUID, WAITING)
        .bytes(field::TRACK_NAME, b"waiting tasks")
        .number(field::TRACK_PARENT, PROCESS)
        .message(field::TRACK_COUNTER, Message::default());
    packet(out, FLAGS_NEXT, Message::default().message(field::TRACK, counter))?;
    for (i, track) in run.tracks.iter().enumerate() {
        let thread = Message::default()
            .number(field::THREAD_PID, 1)
            .number(field::THREAD_TID, i as u64 + 2)
            .bytes(field::THREAD_NAME, track.name.as_bytes());
        let descriptor = Message::default()
            .number(field::TRACK_UUID, FIRST_TRACK + i as u64)
            .number(field::TRACK_PARENT, PROCESS)
            .message(field::TRACK_THREAD, thread);
        packet(out, FLAGS_NEXT, Message::default().message(field::TRACK, descriptor))?;
    }
    Ok(())
}

/// The names of all slices, with their numbers.
struct Names(BTreeMap<String, u64>);

impl Names {
    fn new(run: &Run) -> Names {
        let fixed = [
            "task",
            "fork",
            "search",
            "search in vain",
            "parked",
            "work waits",
            "paused or leased",
            "wait",
            "block",
        ];
        let labels = run.labels.iter().map(String::as_str).filter(|label| !label.is_empty());
        let mut names = BTreeMap::new();
        for name in fixed.into_iter().chain(labels) {
            let next = names.len() as u64 + 1;
            names.entry(name.to_owned()).or_insert(next);
        }
        Names(names)
    }

    fn of(&self, run: &Run, what: What) -> u64 {
        match what {
            What::Task(task) => self.0.get(&task_name(run, &run.tasks[task as usize])),
            What::Pool(name) => self.0.get(name),
        }
        .copied()
        .unwrap_or(1)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut interned = Message::default();
        for (name, iid) in &self.0 {
            let name =
                Message::default().number(field::NAME_IID, *iid).bytes(field::NAME_TEXT, name.as_bytes());
            interned = interned.message(field::EVENT_NAMES, name);
        }
        packet(out, FLAGS_FIRST | FLAGS_NEXT, Message::default().message(field::INTERNED, interned))
    }
}
