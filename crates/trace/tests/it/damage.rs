//! Damaged, cut and foreign files: an error that names the place, or a run that keeps the laws; never a
//! panic, never a hang.

use longshore_trace::analysis::Analysis;
use longshore_trace::export::{write_chrome, write_page, write_perfetto};
use longshore_trace::format::{Damage, ReadError, Recording};
use longshore_trace::record::{Kind, Word};
use longshore_trace::recorder::{BLOCK, Recorder, Settings};
use longshore_trace::run::Run;

use crate::support::{Costs, Pool, Random, fib, fib_joins, half_serial, pipeline, record};

fn small() -> Vec<u8> {
    record(&fib(7, 2_000), 2)
}

fn offset(error: &ReadError) -> u64 {
    match error {
        ReadError::Damaged { offset, .. } => *offset,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_no_recording_is_said_to_be_none() {
    for bytes in [&b""[..], b"GIF89a", b"\x89LSR\n\x1a\n longer than that", b"\x89LSR\r\n\x1a"] {
        assert!(matches!(Recording::parse(bytes), Err(ReadError::NotARecording)));
    }
    let mut newer = small();
    newer[8] = 7;
    let error = Recording::parse(&newer).unwrap_err();
    assert_eq!(error.to_string(), "format version 7.0; this program reads version 1");
    newer[8] = 1;
    newer[10] = 9; // a newer minor version is read
    assert!(Recording::parse(&newer).is_ok());
}

#[test]
fn a_cut_names_the_chunk_and_leaves_what_comes_before() {
    let whole = small();
    for length in (16..whole.len()).step_by(7) {
        let cut = &whole[..length];
        let error = Recording::parse(cut).unwrap_err();
        assert!(offset(&error) <= length as u64, "{error}");
        assert!(error.to_string().ends_with("the file is cut off"), "{error}");
        let recording = Recording::parse_cut(cut).expect("a cut is no damage");
        assert_eq!(recording.cut_at, Some(offset(&error)));
        let run = Run::new(&recording).expect("whole chunks");
        Analysis::new(&run).report(&run);
    }
}

#[test]
fn a_flipped_bit_names_the_chunk() {
    let whole = small();
    let mut random = Random(77);
    for _ in 0..300 {
        let mut bytes = whole.clone();
        let at = 16 + random.below(whole.len() as u64 - 16) as usize;
        bytes[at] ^= 1 << random.below(8);
        let error = Recording::parse(&bytes).unwrap_err();
        assert!(offset(&error) <= at as u64, "{error}, for byte {at}");
    }
}

#[test]
fn a_word_that_is_no_record_is_named() {
    let mut recording = Recording::parse(&small()).unwrap();
    let stretch = &mut recording.tracks[0].stretches[0];
    stretch.words[6] = Word::new(Kind::Pad, 0, 0).0 & !31; // no kind
    let (number, place) = (stretch.first + 6, stretch.offset + 48);
    let error = Run::new(&recording).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("damaged at byte {place}: word {number} of track 0: no record has this kind")
    );
    let ReadError::Damaged { damage: Damage::Word { track: 0, .. }, .. } = error else { panic!("{error}") };
}

/// Reads, analyses and exports whatever it is.
fn survive(recording: &Recording, words: usize) {
    let Ok(run) = Run::new(recording) else { return };
    // A record stands for at most one task, and an anchor for 65: so memory is a small multiple of the file.
    let most = words + recording.tracks.len() * 65;
    assert!(run.tasks.len() <= most, "{} tasks of {words} words", run.tasks.len());
    let analysis = Analysis::new(&run);
    for worker in &analysis.times {
        assert!(worker.times.sum() <= run.duration);
    }
    let report = analysis.report(&run);
    assert!(report.contains("longest chain"));
    let mut out = Vec::new();
    write_page(&run, &analysis, &mut out).expect("memory");
    write_chrome(&run, &mut out).expect("memory");
    write_perfetto(&run, &mut out).expect("memory");
}

/// Replaces some words by others: valid kinds with random fields, random bits, copies from elsewhere, zeros.
fn mutate(recording: &mut Recording, random: &mut Random) {
    let tracks = recording.tracks.len() as u64;
    for _ in 0..1 + random.below(12) {
        let track = random.below(tracks) as usize;
        let Some(stretch) = recording.tracks[track].stretches.first_mut() else { continue };
        let count = stretch.words.len() as u64;
        let at = random.below(count) as usize;
        let other = stretch.words[random.below(count) as usize];
        match random.below(8) {
            0 => stretch.words[at] = random.next(),
            1 => stretch.words[at] = other,
            2 => stretch.words[at] ^= 1 << random.below(64),
            3 => stretch.words[at] = 0,
            4 if at as u64 % BLOCK != 0 => {
                stretch.words.truncate(at);
                if stretch.words.is_empty() {
                    stretch.words.push(other);
                }
            }
            _ => {
                let kind = Kind::ALL[random.below(Kind::ALL.len() as u64) as usize];
                stretch.words[at] = Word::new(kind, random.next() & 0xffff, random.next() as u32).0;
            }
        }
    }
}

/// `LONGSHORE_STRESS=n` does n times as much, `LONGSHORE_TEST_SEED=n` begins elsewhere.
#[test]
fn mutated_recordings_neither_panic_nor_hang() {
    let seeds = [
        record(&fib(7, 2_000), 3),
        record(&fib_joins(12, 400), 3),
        record(&half_serial(60, 20), 2),
        Pool::new(3, Costs { ring_bytes: 1, ..Costs::default() }).run_one(&pipeline(900, [500, 900, 300])),
    ];
    let seeds: Vec<Recording> = seeds.iter().map(|bytes| Recording::parse(bytes).expect("whole")).collect();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("LONGSHORE_TEST_SEED").unwrap_or(0x0123_4567_89ab_cdef);
    println!("seed {seed}");
    let mut random = Random(seed | 1);
    let most = 400 * number("LONGSHORE_STRESS").unwrap_or(1) as usize;
    for round in 0..most {
        let mut recording = seeds[round % seeds.len()].clone();
        mutate(&mut recording, &mut random);
        let words = recording
            .tracks
            .iter()
            .flat_map(|track| &track.stretches)
            .map(|stretch| stretch.words.len())
            .sum();
        survive(&recording, words);
    }
}

#[test]
fn mutated_files_neither_panic_nor_hang() {
    let whole = small();
    let mut random = Random(0xabc1_2345);
    for _ in 0..1_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(6) {
            let at = 16 + random.below(whole.len() as u64 - 16) as usize;
            bytes[at] = random.next() as u8;
        }
        if let Ok(recording) = Recording::parse_cut(&bytes) {
            survive(&recording, bytes.len() / 8);
        }
    }
}

#[test]
fn an_empty_recording_is_a_run_without_tasks() {
    let recorder = Recorder::new(Default::default(), Settings::default()).unwrap();
    let mut bytes = Vec::new();
    recorder.write(&mut bytes, &Default::default()).unwrap();
    let recording = Recording::parse(&bytes).unwrap();
    survive(&recording, 0);
    assert!(Run::new(&recording).unwrap().tasks.is_empty());
}
