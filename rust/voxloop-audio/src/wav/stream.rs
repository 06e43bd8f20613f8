//! Files that come in pieces.

use super::header::{Fmt, Header, HeaderParser, Progress};
use super::read::{chunk_head, is_over, too_short};
use super::{WavInfo, samples};
use crate::error::{AudioError, Result};
use crate::pcm::Sample;

/// Decodes a WAV file or stream that is fed to it in pieces of any size.
///
/// Gives the same samples, the same [`WavInfo`] and the same errors as [`decode`](super::decode) of
/// the whole, and holds back less than one frame of the file.
///
/// ```
/// use voxloop_audio::wav::{self, WavReader};
///
/// let file = wav::encode(&[1_i16, -2, 3], 24_000, 1)?;
/// let (mut reader, mut samples) = (WavReader::new(), Vec::<i16>::new());
/// for piece in file.chunks(5) {
///     reader.push(piece, &mut samples)?;
/// }
/// assert_eq!(reader.finish(&mut samples)?.frames, 3);
/// assert_eq!(samples, [1, -2, 3]);
/// # Ok::<(), voxloop_audio::AudioError>(())
/// ```
#[derive(Debug)]
pub struct WavReader {
    state: State,
    /// Bytes that wait for more: of a header, of the decision after a data size of 0, of a frame.
    pending: Vec<u8>,
    /// Bytes taken in all.
    taken: u64,
    frames: u64,
    more_data: bool,
}

#[derive(Debug)]
enum State {
    /// Before the samples: bytes to pass over before the parser is asked again.
    Header {
        parser: HeaderParser,
        skip: u64,
    },
    /// After a data chunk that says it is empty.
    Empty(Header),
    /// In the samples: bytes still to come, if that is known.
    Data {
        header: Header,
        left: Option<u64>,
    },
    /// After the samples: bytes to pass over before the next chunk.
    Chunks {
        header: Header,
        skip: u64,
    },
    /// After what is not a chunk.
    Rest(Header),
    Failed(AudioError),
}

impl Default for WavReader {
    fn default() -> Self {
        Self::new()
    }
}

impl WavReader {
    /// A reader at the start of a file.
    pub const fn new() -> Self {
        Self {
            state: State::Header { parser: HeaderParser::new(), skip: 0 },
            pending: Vec::new(),
            taken: 0,
            frames: 0,
            more_data: false,
        }
    }

    /// What is known so far, from the piece on that completes the header; `frames` counts those given
    /// out, and `truncated` is false until [`WavReader::finish`].
    pub fn info(&self) -> Option<WavInfo> {
        Some(self.info_of(self.header()?, false))
    }

    /// Takes the next bytes of the file and appends the samples of the frames they complete to `out`,
    /// interleaved; see [`WavView::samples`](super::WavView::samples) for the conversions.
    ///
    /// # Errors
    /// As [`parse`](super::parse), as soon as the bytes so far show it; the same again on every later
    /// call.
    pub fn push<S: Sample>(&mut self, bytes: &[u8], out: &mut Vec<S>) -> Result<()> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.step(rest, out) {
                Ok(rest) => rest,
                Err(error) => {
                    self.pending = Vec::new();
                    self.state = State::Failed(error.clone());
                    return Err(error);
                }
            };
        }
        Ok(())
    }

    /// Ends the file: what it held, and whether it was cut short. A last, partial frame is dropped.
    /// Appends the samples that waited for the end, if any.
    ///
    /// # Errors
    /// As [`parse`](super::parse) of a file that ends here.
    pub fn finish<S: Sample>(mut self, out: &mut Vec<S>) -> Result<WavInfo> {
        if let State::Empty(header) = self.state {
            // Fewer than eight bytes: padding, or the first samples of a stream.
            let held = std::mem::take(&mut self.pending);
            if is_over(&held, header.big_endian) {
                self.state = State::Rest(header);
            } else {
                self.data(&held, header, None, out);
            }
        }
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Header { parser, .. } if parser.offset() == 0 => Err(too_short(&self.pending)),
            State::Header { parser, .. } => {
                Err(AudioError::wav(self.taken, format!("the file ends in {}", parser.place())))
            }
            State::Data { header, .. } => Ok(self.info_of(header, true)),
            State::Empty(header) | State::Rest(header) | State::Chunks { header, .. } => {
                let frame = header.fmt.bytes_per_frame() as u64;
                let cut = header.claimed.is_some_and(|size| size % frame != 0);
                Ok(self.info_of(header, cut))
            }
        }
    }

    fn header(&self) -> Option<&Header> {
        match &self.state {
            State::Header { .. } | State::Failed(_) => None,
            State::Empty(header)
            | State::Rest(header)
            | State::Data { header, .. }
            | State::Chunks { header, .. } => Some(header),
        }
    }

    fn info_of(&self, header: &Header, truncated: bool) -> WavInfo {
        let Fmt { sample_rate, channels, encoding, bits, channel_mask } = header.fmt;
        WavInfo {
            sample_rate,
            channels,
            encoding,
            bits,
            channel_mask,
            frames: self.frames,
            truncated,
            more_data: self.more_data,
            data_offset: header.data_offset,
        }
    }

    /// Takes some of the bytes, of which there is at least one; returns the others.
    fn step<'b, S: Sample>(&mut self, bytes: &'b [u8], out: &mut Vec<S>) -> Result<&'b [u8]> {
        match &mut self.state {
            State::Failed(error) => return Err(error.clone()),
            State::Header { parser, skip } => {
                let rest = pass(bytes, skip);
                if *skip > 0 {
                    return Ok(rest);
                }
                return match head(parser, &mut self.pending, rest)? {
                    (rest, Head::Wanting) => Ok(rest),
                    (rest, Head::Skip(count)) => {
                        *skip = count;
                        Ok(rest)
                    }
                    (rest, Head::Data(header)) => {
                        self.state = match header.claimed {
                            Some(0) => State::Empty(header),
                            left => State::Data { header, left },
                        };
                        Ok(rest)
                    }
                };
            }
            State::Data { header, left } => {
                let (header, left) = (*header, *left);
                return Ok(self.data(bytes, header, left, out));
            }
            State::Rest(_) => return Ok(&[]),
            State::Chunks { skip, .. } if *skip > 0 => return Ok(pass(bytes, skip)),
            State::Chunks { .. } | State::Empty(_) => {}
        }
        let Some((head, rest)) = filled(&mut self.pending, bytes, 8) else { return Ok(&[]) };
        self.after_samples(&head, out);
        Ok(rest)
    }

    /// Looks at the eight bytes after the samples, or after a data chunk that says it is empty.
    fn after_samples<S: Sample>(&mut self, head: &[u8], out: &mut Vec<S>) {
        let header = match self.state {
            State::Empty(header) if !is_over(head, header.big_endian) => {
                self.data(head, header, None, out);
                return;
            }
            State::Empty(header) | State::Chunks { header, .. } => header,
            _ => return,
        };
        let chunk = head.first_chunk().and_then(|head| chunk_head(*head, header.big_endian));
        self.state = match chunk {
            None => State::Rest(header),
            Some((id, size)) => {
                self.more_data |= &id == b"data";
                State::Chunks { header, skip: u64::from(size) + u64::from(size & 1) }
            }
        };
    }

    /// Takes samples, of which `left` bytes are still to come if that is known; returns what follows
    /// them.
    fn data<'b, S: Sample>(
        &mut self,
        bytes: &'b [u8],
        header: Header,
        left: Option<u64>,
        out: &mut Vec<S>,
    ) -> &'b [u8] {
        let Fmt { encoding, .. } = header.fmt;
        let frame = header.fmt.bytes_per_frame();
        let count = left.map_or(bytes.len(), |left| left.min(bytes.len() as u64) as usize);
        let (mut now, rest) = bytes.split_at(count);
        if !self.pending.is_empty() {
            let (head, tail) = now.split_at((frame - self.pending.len()).min(now.len()));
            self.pending.extend_from_slice(head);
            now = tail;
            if self.pending.len() == frame {
                samples::convert_into(&self.pending, encoding, header.big_endian, out);
                self.pending.clear();
                self.frames += 1;
            }
        }
        let (whole, part) = now.split_at(now.len() - now.len() % frame);
        samples::convert_into(whole, encoding, header.big_endian, out);
        self.frames += (whole.len() / frame) as u64;
        self.pending.extend_from_slice(part);
        let left = left.map(|left| left - count as u64);
        self.state = if left == Some(0) {
            // What is left of a frame does not count.
            self.pending.clear();
            State::Chunks { header, skip: header.claimed.unwrap_or(0) & 1 }
        } else {
            State::Data { header, left }
        };
        rest
    }
}

enum Head {
    Wanting,
    Skip(u64),
    Data(Header),
}

/// Asks the parser as long as the bytes, after those that wait in `pending`, go on answering it.
fn head<'b>(
    parser: &mut HeaderParser,
    pending: &mut Vec<u8>,
    bytes: &'b [u8],
) -> Result<(&'b [u8], Head)> {
    let mut rest = bytes;
    loop {
        match parser.step(pending)? {
            Progress::Need(count) => {
                let (now, later) = rest.split_at((count - pending.len()).min(rest.len()));
                pending.extend_from_slice(now);
                rest = later;
                if pending.len() < count {
                    return Ok((rest, Head::Wanting));
                }
            }
            Progress::Took(count) => {
                // It is never shown more than it asked for, so all of that is taken.
                let skip = count - pending.len() as u64;
                pending.clear();
                if skip > 0 {
                    return Ok((rest, Head::Skip(skip)));
                }
            }
            Progress::Data(header) => {
                pending.clear();
                return Ok((rest, Head::Data(header)));
            }
        }
    }
}

/// The bytes after those to pass over.
fn pass<'b>(bytes: &'b [u8], skip: &mut u64) -> &'b [u8] {
    let now = (*skip).min(bytes.len() as u64);
    *skip -= now;
    &bytes[now as usize..]
}

/// Moves bytes to `pending` until it has `count`: those, and the rest; `None` when there are too few.
fn filled<'b>(pending: &mut Vec<u8>, bytes: &'b [u8], count: usize) -> Option<(Vec<u8>, &'b [u8])> {
    let (now, rest) = bytes.split_at((count - pending.len()).min(bytes.len()));
    pending.extend_from_slice(now);
    (pending.len() == count).then(|| (std::mem::take(pending), rest))
}
