//! Test bench for the program: a directory with generated images, and runs of the program in it.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

pub const RED: Rgb<u8> = Rgb([220, 20, 20]);
pub const BLUE: Rgb<u8> = Rgb([20, 20, 220]);

/// A directory with images in `in`; results go to `out`.
pub struct Bench(TempDir);

impl Bench {
    pub fn new() -> Self {
        let bench = Bench(tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir(bench.path("in")).expect("the input directory");
        bench
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    /// Writes an image with a red left half and a blue right half, in the format that the name says.
    pub fn image(&self, relative: &str, width: u32, height: u32) -> PathBuf {
        let image = RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE });
        self.write(relative, |path| image.save(path).expect("an image"))
    }

    /// The same as a JPEG with an APP segment.
    pub fn jpeg_with_segment(&self, relative: &str, size: (u16, u16), number: u8, segment: &[u8]) -> PathBuf {
        self.jpeg(relative, size, |encoder| {
            encoder.add_app_segment(number, segment.to_vec()).expect("a segment");
        })
    }

    /// The same as a JPEG with so many APP segments that mean nothing, each as long as can be.
    pub fn jpeg_with_segments(&self, relative: &str, size: (u16, u16), segments: usize) -> PathBuf {
        self.jpeg(relative, size, |encoder| {
            for _ in 0..segments {
                encoder.add_app_segment(11, vec![0; 65_533]).expect("a segment");
            }
        })
    }

    fn jpeg(
        &self,
        relative: &str,
        (width, height): (u16, u16),
        prepare: impl FnOnce(&mut jpeg_encoder::Encoder<BufWriter<File>>),
    ) -> PathBuf {
        let pixel = |index: usize| {
            if index % usize::from(width) < usize::from(width / 2) { RED.0 } else { BLUE.0 }
        };
        let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height)).flat_map(pixel).collect();
        self.write(relative, |path| {
            let mut encoder = jpeg_encoder::Encoder::new_file(path, 95).expect("a file");
            prepare(&mut encoder);
            encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).expect("a JPEG");
        })
    }

    pub fn bytes(&self, relative: &str, bytes: &[u8]) -> PathBuf {
        self.write(relative, |path| fs::write(path, bytes).expect("a file"))
    }

    pub fn write(&self, relative: &str, write: impl FnOnce(&Path)) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        write(&path);
        path
    }

    /// Runs the program here, on `in` into `out`, and returns its exit status with what it said.
    pub fn run(&self, options: &[&str]) -> Run {
        self.run_on(&["in"], options)
    }

    pub fn run_on(&self, inputs: &[&str], options: &[&str]) -> Run {
        self.raw(&[inputs, &["-o", "out"], options].concat())
    }

    pub fn raw(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().expect("the program starts");
        self.assert_clean();
        Run::new(&output)
    }

    /// No temporary file is left.
    #[track_caller]
    pub fn assert_clean(&self) {
        let files = self.files(".");
        assert!(!files.iter().any(|name| name.ends_with(".tmp")), "a temporary file is left: {files:?}");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resize"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// All files below a directory, sorted, with `/` between their parts.
    pub fn files(&self, below: &str) -> Vec<String> {
        let root = self.path(below);
        let files = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().flatten();
        let files = files.filter(|entry| !entry.file_type().is_dir());
        let name =
            |path: &Path| path.strip_prefix(&root).expect("below").to_string_lossy().replace('\\', "/");
        files.map(|entry| name(entry.path())).collect()
    }

    pub fn size(&self, relative: &str) -> (u32, u32) {
        image::image_dimensions(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    pub fn open(&self, relative: &str) -> image::DynamicImage {
        let bytes = fs::read(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"));
        image::load_from_memory(&bytes).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }
}

pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub fn complains(&self, text: &str) {
        assert!(self.stderr.contains(text), "'{text}' is not in: {}", self.stderr);
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// An EXIF segment whose only entry is the orientation.
pub fn exif(orientation: u8) -> Vec<u8> {
    let header = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01";
    let entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0];
    [&header[..], &entry, &[0; 4]].concat()
}

pub fn is_near(pixel: Rgb<u8>, other: Rgb<u8>) -> bool {
    pixel.0.iter().zip(other.0).all(|(a, b)| a.abs_diff(b) < 40)
}

/// A profile of grey samples that are proportional to light.
pub fn linear_grey_profile() -> Vec<u8> {
    moxcms::ColorProfile::new_gray_with_gamma(1.0).encode().expect("a profile")
}

/// The bytes of a file of another package's tests.
pub fn jpeg_file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/jpeg/tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a tool is there; says so if it is not.
pub fn has_tool(name: &str) -> bool {
    let found =
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("notice: {name} is not installed, a comparison with it is skipped");
    }
    found
}

/// The sum over a JSON list of one field of its objects.
pub fn sum(list: &Value, field: &str) -> u64 {
    list.as_array().expect("a list").iter().filter_map(|item| item[field].as_u64()).sum()
}
