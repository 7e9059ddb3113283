//! The program as its user meets it.

use std::process::{Command, Output};

use serde_json::Value;

fn embed(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longshore-embed")).args(options).output().expect("the program starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn digits(output: &Output) -> Vec<String> {
    let prices = json(output)["prices"].as_array().expect("prices").clone();
    prices.iter().map(|price| price["bits"].as_str().expect("bits").to_owned()).collect()
}

#[test]
fn prices_agree_with_the_closed_forms_and_no_digit_depends_on_the_workers() {
    // A last block that is not full.
    let options = ["--paths", "100000", "--steps", "4", "--json", "--pin", "none", "--jobs"];
    let runs: Vec<_> = ["1", "2", "5"].map(|jobs| embed(&[&options[..], &[jobs]].concat())).into();
    for run in &runs {
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        assert_eq!(digits(run), digits(&runs[0]));
    }
    let prices = json(&runs[0])["prices"].clone();
    assert_eq!(prices.as_array().map(Vec::len), Some(4));
    assert!(prices[0]["deviation"].as_f64().expect("it has a closed form").abs() < 5.0);
    // The arithmetic average of a path is never below the geometric one.
    assert!(prices[3]["price"].as_f64() > prices[2]["price"].as_f64());
    let other = embed(&[&options[..], &["2", "--seed", "2"]].concat());
    assert_ne!(digits(&other), digits(&runs[0]));
}

#[test]
fn giving_up_says_what_is_missing() {
    let run = embed(&["--paths", "10000000000", "--cancel-after", "0.05"]);
    assert_eq!(run.status.code(), Some(124), "{run:?}");
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(text.contains("4 contracts are without a price"), "{text}");
}

#[test]
fn bad_options_exit_with_2() {
    let options: [&[&str]; 8] = [
        &["--paths", "10"],
        &["--steps", "0"],
        &["--jobs", "0"],
        &["--jobs", "100000"],
        &["--pin", "sideways"],
        &["--pin", "4097"],
        &["--cancel-after", "0"],
        &["--cancel-after", "1e300"],
    ];
    for options in options {
        let run = embed(options);
        assert_eq!(run.status.code(), Some(2), "{options:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{options:?}");
    }
}
