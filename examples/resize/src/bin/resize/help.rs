//! The rules behind the options, at the end of `--help`.

/// The rules.
pub const RULES: &str = "\
Geometry, as in ImageMagick (quote it, the suffixes mean something to a shell):
  WxH       fit inside W x H, keeping the aspect ratio
  Wx, xH    the other side follows the aspect ratio
  N%, NxM%  a share of the source's sides
  WxH!      exactly these sides, whatever the aspect ratio (Wx! keeps the source's height)
  WxH^      cover W x H: one side fits, the other sticks out
  WxH>      only shrink, even with --enlarge
  WxH<      only enlarge
Unlike ImageMagick, no side ever grows unless --enlarge or the suffix '<' says so; with '!' each side is
limited by itself.

Pictures:
  An image that has its size and format already keeps its pixels as they are encoded (--recode encodes
  it anew); only its metadata changes. All others are resampled with a Lanczos filter, transparent
  pixels weighted by their alpha.
  JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that still leaves twice the wanted size.
  16 bits stay 16 bits in PNG. PNG is written in as few bits as show it: grey stays grey, few colours
  get a palette, and so does a picture that had one, if a palette is near enough. JPEG has no
  transparency: images are laid on white. WebP is lossy if its source is (JPEG, lossy WebP), else
  lossless.
  The orientation of JPEG, PNG, WebP, TIFF and JPEG XL files is applied. Colour profiles are carried
  over where the output can have them; what it cannot have (CMYK, grey in WebP, gamma and chromaticities
  of PNG, Adobe RGB that only EXIF tells of) is converted to sRGB. HDR is refused in PNG and JPEG XL;
  the gain map of a JPEG or JPEG XL file is left out, with a warning.
  JPEG XL is read if the program was built with the feature 'jxl', and becomes WebP if --format says
  nothing. It is upright with --no-rotate as well: its orientation is a part of its coding.
  Animated GIF, WebP and JPEG XL stay animated as WebP. Everywhere else an animation is refused unless
  --animation first takes its first frame.
  A file of which a part is missing fails, unless --damage warn takes what there is of a JPEG, PNG or
  JPEG XL file. Other damage to the pixels of a JPEG goes unnoticed where the decoder bridges it.

Files:
  Files in directories and globs count by their names: .jpg .jpeg .jpe .jfif .png .apng .webp .gif .tif
  .tiff, and .jxl with the feature 'jxl', in any case. Images of other formats there are counted, what
  macOS leaves beside files (._*, __MACOSX) is passed over. A file that is named is read whatever its
  name; its content decides how.
  Symbolic links to files are followed, links to directories below an input are not.
  An output is left alone if it is a whole file of the right format and size and not older than its
  source. That is judged by the time at which the source was opened, which the output gets. Other
  options are not seen: use --force.
  Results are written to a temporary file and renamed; temporary files of a run that was killed are
  removed by the next one. What --in-place puts into a source's place is on the disk before the source is
  gone, and has its owner and permissions. A second source of one output, and an output that would replace
  a source, are errors.

Memory:
  What an image takes is judged from the header of its file. Images are begun as soon as they fit beside
  those that are being worked on; one that needs more than all of --max-memory is refused by name. The
  program itself comes on top, a few MB. --dry-run tells what each image takes.

Ends before the end:
  With --fail-fast nothing begins once a file has failed; what has begun is finished. If a file is known
  to fail before the first begins, none does. Time for --timeout runs from the moment at which the
  inputs have been listed. After SIGINT (Ctrl-C), SIGTERM or SIGHUP nothing begins, what has begun is
  finished, and what is left is reported; a second signal ends the program at once. In no case is there
  half an output.

Several machines (docs/cluster.md):
  --shard does one part of a batch, without a broker. The commands push, work, status, retry and explain
  distribute a batch through a NATS server; they are there if the program was built with the feature
  'cluster'. With the feature 'object-store' their inputs and outputs may be objects: s3://bucket/key.
  An input that has the name of a command is written with its directory: ./push.

Exit status:
  0    everything was done
  1    some files failed (a named input that does not exist, too), or were not done because of --fail-fast
  2    nothing was begun: a bad option, inputs without an image, an output directory that cannot be written
  69   push, work, status, retry, explain: the broker has stopped answering, or has not confirmed the ends of
       jobs
  75   work: jobs were left that still ran, because all threads are in jobs beyond --job-limit, or the time of
       --grace was up
  124  some files were not started in time
  129, 130, 143
       SIGHUP, SIGINT, SIGTERM came before everything was done";
