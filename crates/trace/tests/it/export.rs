//! The exports: strict JSON, well-formed protobuf, slices that are nested, counts that are right.

use std::collections::{BTreeMap, HashMap};

use longshore_trace::export::{write_chrome, write_perfetto};
use longshore_trace::run::Run;
use serde_json::Value;

use crate::support::{fib, half_serial, pipeline, run};

fn runs() -> [Run; 3] {
    [run(&fib(9, 3_000), 4), run(&half_serial(200, 5_000), 3), run(&pipeline(60, [2_000, 5_000, 800]), 1)]
}

fn drawn(run: &Run) -> usize {
    run.tasks.iter().filter(|task| task.end > task.begin).count()
}

#[test]
fn chromes_json_is_strict_and_nested() {
    for run in runs() {
        let mut bytes = Vec::new();
        write_chrome(&run, &mut bytes).unwrap();
        let json: Value = serde_json::from_slice(&bytes).expect("strict JSON");
        let events = json["traceEvents"].as_array().expect("a list");
        let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
        assert_eq!(of("X").iter().filter(|event| event["cat"] == "task").count(), drawn(&run));
        let nanos = |value: &Value| (value.as_f64().expect("a number") * 1000.0).round() as u64;
        let mut tracks: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
        for event in of("X") {
            let (begin, length) = (nanos(&event["ts"]), nanos(&event["dur"]));
            tracks.entry(event["tid"].as_u64().unwrap()).or_default().push((begin, begin + length));
        }
        for slices in tracks.values_mut() {
            slices.sort_by_key(|(begin, end)| (*begin, u64::MAX - end));
            let mut open: Vec<u64> = Vec::new();
            for (begin, end) in slices.iter() {
                open.retain(|outer| outer > begin);
                assert!(open.iter().all(|outer| end <= outer), "{begin}..{end} sticks out");
                open.push(*end);
            }
        }
        // Each arrow begins and ends inside of a slice.
        for event in of("s").into_iter().chain(of("f")) {
            let time = nanos(&event["ts"]);
            let slices = &tracks[&event["tid"].as_u64().unwrap()];
            assert!(slices.iter().any(|(begin, end)| (*begin..*end).contains(&time)), "{event}");
        }
        assert_eq!(of("s").len(), of("f").len());
        assert_eq!(of("C").len(), run.waiting.len());
    }
}

/// A field of a message of protobuf: its number, and its value or bytes.
#[derive(Debug)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        value |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return value;
        }
    }
    unreachable!()
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (number, rest) = bytes.split_first_chunk::<8>().expect("eight bytes");
                bytes = rest;
                Field::Number(u64::from_le_bytes(*number))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(content)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn number(message: &[(u64, Field<'_>)], field: u64) -> Option<u64> {
    message.iter().find_map(|(number, value)| match value {
        Field::Number(value) if *number == field => Some(*value),
        _ => None,
    })
}

#[test]
fn perfettos_packets_open_and_close_their_slices() {
    for run in runs() {
        let mut bytes = Vec::new();
        write_perfetto(&run, &mut bytes).unwrap();
        let mut open: HashMap<u64, Vec<u64>> = HashMap::new();
        let (mut begun, mut names, mut last) = (0, 0, HashMap::new());
        for (packet, content) in fields(&bytes) {
            let (1, Field::Bytes(content)) = (packet, content) else { panic!("a trace is packets") };
            let packet = fields(content);
            assert_eq!(number(&packet, 10), Some(1), "all are of one sequence");
            let time = number(&packet, 8);
            for (field, content) in &packet {
                match (field, content) {
                    (12, Field::Bytes(interned)) => names += fields(interned).len(),
                    (11, Field::Bytes(event)) => {
                        let event = fields(event);
                        let (time, track) = (time.expect("a time"), number(&event, 11).expect("a track"));
                        assert!(*last.entry(track).or_insert(0) <= time, "times of a track go forward");
                        last.insert(track, time);
                        match number(&event, 9) {
                            Some(1) => {
                                assert!((1..=names as u64).contains(&number(&event, 10).expect("a name")));
                                open.entry(track).or_default().push(time);
                                begun += 1;
                            }
                            Some(2) => {
                                _ = open.get_mut(&track).and_then(Vec::pop).expect("something is open")
                            }
                            Some(4) => assert!(number(&event, 30).is_some()),
                            other => panic!("{other:?}"),
                        }
                    }
                    _ => {}
                }
            }
        }
        assert!(open.values().all(Vec::is_empty), "all slices are closed");
        assert!(begun >= drawn(&run));
    }
}
