//! Plans and jobs on a bucket in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use longshore::CancelToken;
use longshore_cluster::Fault;
use longshore_resize::{Job, Output};
use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use object_store::memory::InMemory;

use super::*;
use crate::cli::{Cli, Program};

fn url(text: &str) -> Url {
    text.parse().expect("a name")
}

fn cli(arguments: &str) -> Cli {
    let arguments = std::iter::once("resize").chain(arguments.split(' '));
    Program::try_parse_from(arguments).expect("options").cli
}

fn picture(side: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels: Vec<u8> =
        (0..usize::from(side) * usize::from(side) * 3).map(|byte| (byte % 251) as u8).collect();
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.encode(&pixels, side, side, jpeg_encoder::ColorType::Rgb).expect("encoded");
    bytes
}

/// A bucket with two pictures, and what is none.
fn bucket() -> Arc<Stores> {
    let stores = Stores::of("b", InMemory::new());
    for (key, content) in [
        ("s3://b/in/one.jpg", picture(64)),
        ("s3://b/in/sub/two.jpg", picture(80)),
        ("s3://b/in/read.me", b"no picture".to_vec()),
        ("s3://b/inside/three.jpg", picture(32)),
    ] {
        stores.write(&url(key), content, Output::Jpeg).expect("written");
    }
    Arc::new(stores)
}

fn listed(stores: &Arc<Stores>, arguments: &str) -> Listed {
    plan(stores, &cli(arguments), &CancelToken::new()).expect("a plan")
}

fn outputs(listed: &Listed) -> Vec<&str> {
    listed.todo.iter().map(|todo| todo.planned.job.output.to_str().expect("a name")).collect()
}

#[test]
fn a_prefix_is_a_directory_and_its_tree_is_kept() {
    let stores = bucket();
    let found = listed(&stores, "s3://b/in -o s3://b/out -s 16x16");
    assert_eq!(outputs(&found), ["s3://b/out/one.jpg", "s3://b/out/sub/two.jpg"]);
    assert_eq!((found.up_to_date, found.failed), (0, 0));
    let (size, changed) = found.todo[0].stamp;
    assert!(size == picture(64).len() as u64 && changed > 0);
    assert!(found.todo[0].planned.memory > 0);
    let named = listed(&stores, "s3://b/in/sub/two.jpg -o s3://b/out --name {stem}-{w}.webp -s 16x16");
    assert_eq!(outputs(&named), ["s3://b/out/two-16.webp"]);
    // What is below the destination is no source.
    let whole = listed(&stores, "s3://b -o s3://b/inside -s 16x16");
    assert_eq!(outputs(&whole), ["s3://b/inside/in/one.jpg", "s3://b/inside/in/sub/two.jpg"]);
}

#[test]
fn what_is_done_is_up_to_date() {
    let stores = bucket();
    let arguments = "s3://b/in -o s3://b/out -s 16x16";
    for todo in listed(&stores, arguments).todo {
        let finished = work(&stores, &url("s3://b/out"), &todo.planned.job, &|| true).expect("done");
        assert!(finished.bytes > 0);
    }
    let again = listed(&stores, arguments);
    assert_eq!((again.todo.len(), again.up_to_date), (0, 2));
    assert_eq!(listed(&stores, "s3://b/in -o s3://b/out -s 20x20").todo.len(), 2);
    assert_eq!(listed(&stores, "s3://b/in -o s3://b/out -s 20x20 --skip-existing").up_to_date, 2);
    assert_eq!(listed(&stores, "s3://b/in -o s3://b/out -s 16x16 --force").todo.len(), 2);
}

#[test]
fn an_output_has_one_source_and_is_none() {
    let stores = bucket();
    stores.write(&url("s3://b/in/one.jpeg"), picture(64), Output::Jpeg).expect("written");
    let found = listed(&stores, "s3://b/in -o s3://b/out --format png -s 16x16");
    assert_eq!((found.todo.len(), found.failed), (2, 1));
    let found = listed(&stores, "s3://b/in -o s3://b/in -s 16x16");
    assert_eq!((found.todo.len(), found.failed), (0, 3));
    // One object by two names is one source.
    let found = listed(&stores, "s3://b/in s3://b/in/one.jpg -o s3://b/out -s 16x16");
    assert_eq!((found.todo.len(), found.failed), (3, 0));
}

#[test]
fn objects_and_files_are_not_mixed() {
    let stores = bucket();
    for arguments in ["s3://b/in photos -o s3://b/out", "s3://b/in -o out", "in -o s3://b/out", "s3://b/in"] {
        let error = plan(&stores, &cli(arguments), &CancelToken::new()).expect_err(arguments);
        assert!(error.to_string().contains("all of an object store"), "{error}");
    }
    let error = plan(&stores, &cli("s3://b/none -o s3://b/out"), &CancelToken::new()).expect_err("nothing");
    assert!(error.to_string().contains("no image"), "{error}");
}

/// The job of the first picture.
fn job(stores: &Arc<Stores>) -> Job {
    listed(stores, "s3://b/in/one.jpg -o s3://b/out -s 16x16").todo.remove(0).planned.job
}

#[test]
fn nothing_is_written_outside_of_the_root_or_without_a_lease() {
    let stores = bucket();
    let job = job(&stores);
    for root in ["s3://b/ou", "s3://b/out/one.jpg", "s3://other/out"] {
        let refused = work(&stores, &url(root), &job, &|| true).expect_err(root);
        assert!(matches!(&refused, Fault::Job(text) if text.contains("outside of")), "{refused:?}");
    }
    let outside = Job { output: "s3://b/out/../in/one.jpg".into(), ..job.clone() };
    assert!(matches!(work(&stores, &url("s3://b/out"), &outside, &|| true), Err(Fault::Job(_))));
    assert!(matches!(work(&stores, &url("s3://b/out"), &job, &|| false), Err(Fault::Lost)));
    assert!(stores.look(&url("s3://b/out/one.jpg")).expect("an answer").is_none());
}

#[test]
fn faults_are_those_of_the_image_or_of_an_attempt() {
    let stores = bucket();
    let root = url("s3://b/out");
    let job = job(&stores);
    let cut = picture(64)[..600].to_vec();
    stores.write(&url("s3://b/in/one.jpg"), cut, Output::Jpeg).expect("written");
    assert!(matches!(work(&stores, &root, &job, &|| true), Err(Fault::Job(_))));
    let gone = Job { source: "s3://b/in/gone.jpg".into(), ..job };
    let fault = work(&stores, &root, &gone, &|| true).expect_err("it is not there");
    assert!(matches!(&fault, Fault::Attempt(text) if text.contains("s3://b/in/gone.jpg")), "{fault:?}");
}

#[test]
fn a_store_that_is_out_of_reach_is_no_fault_of_the_image() {
    let job = job(&bucket());
    let nowhere = AmazonS3Builder::new()
        .with_bucket_name("b")
        .with_endpoint("http://127.0.0.1:1")
        .with_allow_http(true)
        .with_access_key_id("test")
        .with_secret_access_key("test")
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
    let stores = Stores::of("b", nowhere.build().expect("a store"));
    let fault = work(&stores, &url("s3://b/out"), &job, &|| true).expect_err("it is not there");
    assert!(matches!(&fault, Fault::Machine(text) if text.contains("s3://b/in/one.jpg")), "{fault:?}");
}

#[test]
fn a_source_that_is_replaced_meanwhile_is_read_again() {
    let stores = bucket();
    let (root, source) = (url("s3://b/out"), url("s3://b/in/one.jpg"));
    let job = job(&stores);
    let asked = AtomicUsize::new(0);
    let replaces = || {
        // Relaxed: one thread.
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            stores.write(&source, picture(48), Output::Jpeg).expect("written");
        }
        true
    };
    work(&stores, &root, &job, &replaces).expect("done");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
