//! The pipes that a function writes to, and when somebody is woken by what it writes.
//!
//! What a function prints in an invocation is read when it reports its result, without anyone being woken for it. A line
//! that woke the environment's task, mostly on another thread, and made both wait for the same lock would cost more than
//! all else that is done for it. So the pipes are *watched* only until the first output; then they *rest*, which is that
//! nobody is woken, and are looked at after [`REST`] for as long as there is something to find.

use std::io::{self, PipeReader, Read as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lambent_sandbox_client::Output;
use tokio::net::unix::pipe::Receiver;

/// What one event may drain from a pipe before others get their turn.
const DRAIN: usize = 256 * 1024;

/// How long pipes rest. A pipe holds 64 KB, so that only who writes more than 13 MB a second waits for the end of it. Each
/// look wakes a worker, which then goes on with what another one had in its caches.
///
/// In a flood it is a quarter of a megabyte of either pipe each time, 50 MB a second: reading what is thrown away would
/// otherwise cost the server as much CPU as the function has.
const REST: Duration = Duration::from_millis(5);

/// Who has written as much since the last look may wait at a full pipe by now, and does not wait once more.
const MUCH: usize = 32 * 1024;

/// Who is given what has been read.
pub(crate) trait TakeOutput {
    fn telemetry(&mut self, bytes: &[u8]);
    fn stdio(&mut self, bytes: &[u8]);
    /// What the extension in a slot has written.
    fn extension(&mut self, slot: u8, bytes: &[u8]);
    /// Nobody is left to write the rest of a frame.
    fn flush_telemetry(&mut self);
    /// Whether it throws away what it is given.
    fn is_flooded(&self) -> bool;
}

struct Pipe {
    end: End,
    /// Bytes read since the last look.
    taken: usize,
}

/// A read end, which never blocks.
enum End {
    /// The runtime waits for it. A second handle is with the environment's task while that waits.
    Watched(Arc<Receiver>),
    Resting(PipeReader),
}

/// The read ends that are open.
pub(crate) struct Pipes {
    /// The function's frames, then its standard output and error.
    telemetry: Option<Pipe>,
    stdio: Option<Pipe>,
    /// Standard output and error of each extension, by its slot: ten at most.
    extensions: Vec<(u8, Option<Pipe>)>,
}

impl Pipes {
    pub(crate) fn new(output: Output) -> io::Result<Self> {
        let telemetry = Some(Pipe::new(output.telemetry)?);
        let stdio = Some(Pipe::new(output.stdio)?);
        Ok(Self { telemetry, stdio, extensions: Vec::new() })
    }

    /// Reads from an extension's pipe as well.
    pub(crate) fn add(&mut self, slot: u8, output: OwnedFd) -> io::Result<()> {
        self.extensions.push((slot, Some(Pipe::new(output)?)));
        Ok(())
    }

    /// Those that are watched, for [`readable`].
    pub(crate) fn watched(&self) -> Vec<Arc<Receiver>> {
        let extensions = self.extensions.iter().map(|(_, pipe)| pipe);
        let all = [&self.telemetry, &self.stdio].into_iter().chain(extensions).flatten();
        let watched = all.filter_map(|pipe| match &pipe.end {
            End::Watched(receiver) => Some(Arc::clone(receiver)),
            End::Resting(_) => None,
        });
        watched.collect()
    }

    /// Reads what is there after a rest or because a pipe is readable. From then on those rest that had something. Answers
    /// how long; none where all are watched.
    pub(crate) fn look(&mut self, log: &mut impl TakeOutput) -> io::Result<Option<Duration>> {
        self.drain(log);
        let is_flooded = log.is_flooded();
        let mut rests = false;
        let extensions = self.extensions.iter_mut().map(|(_, pipe)| pipe);
        for place in [&mut self.telemetry, &mut self.stdio].into_iter().chain(extensions) {
            let Some(Pipe { end, taken }) = place.take() else { continue };
            let rest = taken > 0 && (is_flooded || taken < MUCH);
            rests |= rest;
            *place = Some(Pipe { end: if rest { end.rest()? } else { end.watch()? }, taken: 0 });
        }
        Ok(rests.then_some(REST))
    }

    /// Reads what is there, within a limit; true when there is more. What a function wrote before it reported a
    /// result is there by then, so its lines come before `END`.
    pub(crate) fn drain(&mut self, log: &mut impl TakeOutput) -> bool {
        self.read(false, log)
    }

    /// The same, and the kernel is asked even where nobody has heard of anything: the pipes of an environment that has just
    /// begun, and failed, may be watched later than its connection.
    pub(crate) fn drain_unheard(&mut self, log: &mut impl TakeOutput) -> bool {
        self.read(true, log)
    }

    fn read(&mut self, unheard: bool, log: &mut impl TakeOutput) -> bool {
        let mut more = read(&mut self.telemetry, unheard, &mut |bytes| log.telemetry(bytes));
        more |= read(&mut self.stdio, unheard, &mut |bytes| log.stdio(bytes));
        for (slot, pipe) in &mut self.extensions {
            more |= read(pipe, unheard, &mut |bytes| log.extension(*slot, bytes));
        }
        if self.extensions.iter().any(|(_, pipe)| pipe.is_none()) {
            self.extensions.retain(|(_, pipe)| pipe.is_some());
        }
        more
    }

    /// Takes all that dead writers have left, so that none of it is mixed with what the next ones write.
    pub(crate) fn finish(&mut self, log: &mut impl TakeOutput) {
        while self.drain_unheard(log) {}
        log.flush_telemetry();
    }
}

impl Pipe {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { end: End::Watched(Arc::new(Receiver::from_owned_fd(fd)?)), taken: 0 })
    }
}

impl End {
    fn watch(self) -> io::Result<Self> {
        match self {
            // It was one that does not block before.
            Self::Resting(reader) => {
                Ok(Self::Watched(Arc::new(Receiver::from_owned_fd_unchecked(reader.into())?)))
            }
            watched @ Self::Watched(_) => Ok(watched),
        }
    }

    /// Stays watched while somebody waits for it.
    fn rest(self) -> io::Result<Self> {
        match self {
            Self::Watched(receiver) => match Arc::try_unwrap(receiver) {
                Ok(receiver) => Ok(Self::Resting(receiver.into_nonblocking_fd()?.into())),
                Err(receiver) => Ok(Self::Watched(receiver)),
            },
            resting @ Self::Resting(_) => Ok(resting),
        }
    }

    /// Reads once; an error of the kind `WouldBlock` when there is nothing. Nothing is asked of the kernel where the runtime
    /// would have heard, unless what is `unheard` counts.
    fn read(&mut self, buffer: &mut [u8], unheard: bool) -> io::Result<usize> {
        match self {
            Self::Watched(receiver) => match receiver.try_read(buffer) {
                Err(error) if unheard && error.kind() == io::ErrorKind::WouldBlock => {
                    Ok(rustix::io::read(&**receiver, buffer)?)
                }
                done => done,
            },
            Self::Resting(reader) => reader.read(buffer),
        }
    }

    fn is_watched(&self) -> bool {
        matches!(self, Self::Watched(_))
    }
}

/// Waits until one of them has something to read, or has been closed; for ever where there is none.
pub(crate) async fn readable(watched: &[Arc<Receiver>]) {
    std::future::poll_fn(|context| {
        // An error shows again at the read that follows.
        let ready = watched.iter().any(|watch| watch.poll_read_ready(context).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// True when the limit ended it.
fn read(pipe: &mut Option<Pipe>, unheard: bool, take: &mut impl FnMut(&[u8])) -> bool {
    // Mostly there is a line or nothing: more room would first be filled with zeros, a third of a processor's first cache.
    const LINE: usize = 512;
    read_into(&mut [0; LINE], LINE, pipe, unheard, take) >= LINE
        && read_into(&mut [0; 16 * 1024], DRAIN, pipe, unheard, take) >= DRAIN
}

/// Reads until there is nothing left or it was as much as `limit`. Answers how much it was.
fn read_into(
    buffer: &mut [u8],
    limit: usize,
    pipe: &mut Option<Pipe>,
    unheard: bool,
    take: &mut impl FnMut(&[u8]),
) -> usize {
    let Some(open) = pipe else { return 0 };
    let mut total = 0;
    while total < limit {
        match open.end.read(buffer, unheard) {
            Ok(length @ 1..) => {
                take(&buffer[..length]);
                total += length;
                open.taken += length;
                // What comes after this is for the next look; a pipe that is watched is read until it says that it is empty.
                if !open.end.is_watched() && length < buffer.len() {
                    return total;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return total,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => {
                *pipe = None;
                return total;
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Keeps what is written.
    #[derive(Default)]
    struct Kept {
        text: String,
        flooded: bool,
    }

    impl Kept {
        fn keep(&mut self, bytes: &[u8]) {
            self.text.push_str(str::from_utf8(bytes).unwrap());
        }
    }

    impl TakeOutput for Kept {
        fn telemetry(&mut self, bytes: &[u8]) {
            self.keep(bytes);
        }
        fn stdio(&mut self, bytes: &[u8]) {
            self.keep(bytes);
        }
        fn extension(&mut self, _slot: u8, bytes: &[u8]) {
            self.keep(bytes);
        }
        fn flush_telemetry(&mut self) {}
        fn is_flooded(&self) -> bool {
            self.flooded
        }
    }

    #[tokio::test]
    async fn pipes_rest_after_output_and_are_watched_again_after_silence() {
        let (stdio, mut writer) = io::pipe().unwrap();
        let (telemetry, _silent) = io::pipe().unwrap();
        let mut pipes = Pipes::new(Output { stdio: stdio.into(), telemetry: telemetry.into() }).unwrap();
        let mut kept = Kept::default();

        writer.write_all(b"first ").unwrap();
        readable(&pipes.watched()).await;
        assert_eq!(pipes.look(&mut kept).unwrap(), Some(REST));
        assert_eq!(pipes.watched().len(), 1, "nobody is woken by what had something");

        writer.write_all(b"second ").unwrap();
        assert!(!pipes.drain(&mut kept));
        assert_eq!(kept.text, "first second ", "read by whoever needs it");
        assert_eq!(pipes.look(&mut kept).unwrap(), Some(REST), "there was something meanwhile");
        assert_eq!(pipes.look(&mut kept).unwrap(), None, "and now there was not");
        assert_eq!(pipes.watched().len(), 2);

        writer.write_all(b"third").unwrap();
        readable(&pipes.watched()).await;
        kept.flooded = true;
        assert_eq!(pipes.look(&mut kept).unwrap(), Some(REST));
        assert_eq!(kept.text, "first second third");

        drop(writer);
        kept.flooded = false;
        assert_eq!(pipes.look(&mut kept).unwrap(), None);
        assert_eq!(pipes.watched().len(), 1, "who has closed a pipe is not waited for");
    }

    #[tokio::test]
    async fn what_was_written_is_read_though_the_runtime_has_not_heard_of_it() {
        let (stdio, mut writer) = io::pipe().unwrap();
        let (telemetry, _silent) = io::pipe().unwrap();
        let mut pipes = Pipes::new(Output { stdio: stdio.into(), telemetry: telemetry.into() }).unwrap();
        let mut kept = Kept::default();
        for (text, all) in [("first ", "first "), ("second", "first second")] {
            writer.write_all(text.as_bytes()).unwrap();
            assert!(!pipes.drain_unheard(&mut kept));
            assert_eq!(kept.text, all);
        }
        assert_eq!(pipes.look(&mut kept).unwrap(), Some(REST));
    }

    #[tokio::test]
    async fn who_fills_a_pipe_does_not_wait_for_the_end_of_a_rest() {
        let (stdio, mut writer) = io::pipe().unwrap();
        let (telemetry, _silent) = io::pipe().unwrap();
        let mut pipes = Pipes::new(Output { stdio: stdio.into(), telemetry: telemetry.into() }).unwrap();
        let mut kept = Kept::default();
        writer.write_all(&[b'x'; MUCH]).unwrap();
        readable(&pipes.watched()).await;
        assert_eq!(pipes.look(&mut kept).unwrap(), None);
        assert_eq!((kept.text.len(), pipes.watched().len()), (MUCH, 2));
    }
}
