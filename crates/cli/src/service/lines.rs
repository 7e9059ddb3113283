//! Lines of limited length from a client.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// A line, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its end. The last one of a client may have none.
    Whole(Vec<u8>),
    /// It is longer than allowed: its beginning. The rest was read and thrown away.
    TooLong(Vec<u8>),
    /// The client has closed its sending side.
    End,
}

/// Reads lines. A line that is too long is told as such and never taken for a shorter one.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    longest: usize,
    /// What there is of the line at hand.
    line: Vec<u8>,
    is_too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Lines of at most `longest` bytes, without their ends.
    pub fn new(from: R, longest: usize) -> Self {
        Lines { from, longest, line: Vec::new(), is_too_long: false }
    }

    /// What the lines come from.
    pub fn get_ref(&self) -> &R {
        &self.from
    }

    /// What the lines come from, for example to write answers to it. Reading from it loses a part of a line.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.from
    }

    /// The next line. Dropping the future loses nothing: the next call goes on.
    ///
    /// # Errors
    /// What the system says.
    pub async fn next(&mut self) -> io::Result<Line> {
        loop {
            let bytes = self.from.fill_buf().await?;
            let is_end = bytes.is_empty();
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let room = self.longest - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            self.is_too_long |= part.len() > room;
            let used = part.len() + usize::from(end.is_some());
            self.from.consume(used);
            if is_end && self.line.is_empty() && !self.is_too_long {
                return Ok(Line::End);
            }
            if is_end || end.is_some() {
                let line = std::mem::take(&mut self.line);
                let is_too_long = std::mem::take(&mut self.is_too_long);
                return Ok(if is_too_long { Line::TooLong(line) } else { Line::Whole(line) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[test]
    fn lines_are_whole_or_named_as_too_long() {
        let text = [&b"12\r\n\n"[..], &[b'0'; 98], b"123\n", &[b'x'; 100], b"\nno end"].concat();
        let whole = |text: &[u8]| Line::Whole(text.to_vec());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        // However the bytes are cut into pieces.
        for piece in [1, 2, 7, 1000] {
            let mut lines = Lines::new(BufReader::with_capacity(piece, &text[..]), 100);
            let mut all = Vec::new();
            runtime.block_on(async {
                while all.last() != Some(&Line::End) {
                    all.push(lines.next().await.expect("readable"));
                }
            });
            let too_long = Line::TooLong([&[b'0'; 98][..], b"12"].concat());
            let expected =
                [whole(b"12\r"), whole(b""), too_long, whole(&[b'x'; 100]), whole(b"no end"), Line::End];
            assert_eq!(all, expected);
        }
    }
}
