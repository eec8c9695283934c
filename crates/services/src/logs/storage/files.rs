//! The writer's side of the segments: appending, closing, removing. Readers share the list of what there is.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::frame::{Builder, EventRef, MAGIC};
use super::rewrite::{Keep, rewrite};
use super::segment::{Segment, Totals, growing_path, parse_name, recover};
use super::space;

/// A growing segment is closed at this size: small enough to be rewritten in memory, large enough that a terabyte is
/// some ten thousand files.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// A frame of a batch: what a reader has to take at once.
const FRAME_BYTES: usize = 256 * 1024;
/// Growing segments that stay open for writing; more groups than this are opened anew for each batch.
const OPEN_MAX: usize = 128;

/// What readers see: the segments of each group, oldest first.
#[derive(Debug)]
pub(crate) struct Segments {
    groups: RwLock<HashMap<i64, Vec<Arc<Segment>>>>,
}

impl Segments {
    /// The segments of a group at this moment. They stay readable for as long as they are held.
    pub(crate) fn of(&self, group: i64) -> Vec<Arc<Segment>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(&group).cloned().unwrap_or_default()
    }

    fn last(&self, group: i64) -> Option<Arc<Segment>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(&group)?.last().cloned()
    }

    /// Bytes of a group's events, as CloudWatch counts them.
    pub(crate) fn counted_bytes(&self, group: i64) -> i64 {
        let bytes = self.of(group).iter().map(|segment| segment.totals.counted_bytes).sum::<u64>();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    fn change(&self, group: i64, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let list = groups.entry(group).or_default();
        change(list);
        if list.is_empty() {
            groups.remove(&group);
        }
    }
}

/// Events on their way into the files of their groups.
#[derive(Debug, Default)]
pub(crate) struct Appending {
    groups: HashMap<i64, Part>,
}

#[derive(Debug, Default)]
struct Part {
    builder: Builder,
    bytes: Vec<u8>,
    totals: Totals,
}

impl Part {
    fn cut(&mut self) {
        let summary = self.builder.finish(&mut self.bytes, false);
        self.totals.add(&summary);
    }
}

impl Appending {
    pub(crate) fn push(&mut self, group: i64, event: &EventRef<'_>) {
        let part = self.groups.entry(group).or_default();
        part.builder.push(event);
        if part.builder.len() >= FRAME_BYTES {
            part.cut();
        }
    }
}

/// Owns every file of every group.
#[derive(Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    segments: Arc<Segments>,
    open: HashMap<i64, File>,
    /// The last number that a segment of each group had. None has one again while a reader may still hold the segment
    /// that had it before, whose file goes with that reader.
    numbers: HashMap<i64, u64>,
    reserve: space::Reserve,
}

impl Files {
    /// Takes over what is in `dir`: cuts torn ends, removes what belongs to no group and what an interrupted rewriting
    /// left.
    pub(crate) fn open(dir: &Path, groups: &HashSet<i64>, reserve: space::Reserve) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut found = HashMap::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let group = entry.file_name().to_str().and_then(|name| name.parse().ok());
            match group {
                Some(group) if groups.contains(&group) => {
                    let list = open_group(&entry.path())?;
                    if !list.is_empty() {
                        found.insert(group, list);
                    }
                }
                Some(_) => std::fs::remove_dir_all(entry.path())?,
                None => {}
            }
        }
        let segments = Arc::new(Segments { groups: RwLock::new(found) });
        Ok(Self { dir: dir.to_owned(), segments, open: HashMap::new(), numbers: HashMap::new(), reserve })
    }

    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Writes events behind those that are there. Answers the groups whose file could not be written, with the reason;
    /// of those nothing was written.
    pub(crate) fn append(&mut self, appending: Appending) -> HashMap<i64, io::Error> {
        let mut refused = HashMap::new();
        for (group, mut part) in appending.groups {
            if !part.builder.is_empty() {
                part.cut();
            }
            if let Err(error) = self.append_part(group, part) {
                refused.insert(group, error);
            }
        }
        refused
    }

    fn append_part(&mut self, group: i64, part: Part) -> io::Result<()> {
        self.reserve.check(&self.dir, part.bytes.len() as u64)?;
        let last = self.segments.last(group);
        let growing = match last {
            Some(last) if !last.is_closed => last,
            last => {
                let used =
                    last.map_or(0, |last| last.number).max(self.numbers.get(&group).copied().unwrap_or(0));
                self.numbers.insert(group, used + 1);
                Arc::new(self.begin(group, used + 1)?)
            }
        };
        let file = self.file(group, &growing.path)?;
        if let Err(error) = file.write_all(&part.bytes) {
            // What was written of it is cut off again; were that to fail as well, the next start would cut it.
            let _ = file.set_len(growing.end);
            self.open.remove(&group);
            return Err(error);
        }
        let mut totals = growing.totals;
        let added = &part.totals;
        totals.min_ms = totals.min_ms.min(added.min_ms);
        totals.max_ms = totals.max_ms.max(added.max_ms);
        totals.streams |= added.streams;
        totals.events += added.events;
        totals.raw_bytes += added.raw_bytes;
        totals.counted_bytes += added.counted_bytes;
        let end = growing.end + part.bytes.len() as u64;
        let grown = Arc::new(Segment::growing(growing.path.clone(), growing.number, end, totals));
        let is_full = grown.end >= SEGMENT_BYTES;
        self.segments.change(group, |list| {
            list.pop_if(|last| last.number == grown.number);
            list.push(grown);
        });
        // A flood's part may be as large as a segment, which is closed in memory.
        drop(part);
        if is_full {
            self.close_growing(group)?;
        }
        Ok(())
    }

    /// Makes the file of a new growing segment.
    fn begin(&mut self, group: i64, number: u64) -> io::Result<Segment> {
        let dir = self.group_dir(group);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let path = growing_path(&dir, number);
        let mut file = append_options().create(true).open(&path)?;
        file.set_len(0)?;
        if let Err(error) = file.write_all(&MAGIC) {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        self.keep_open(group, file);
        Ok(Segment::growing(path, number, MAGIC.len() as u64, Totals::default()))
    }

    fn file(&mut self, group: i64, path: &Path) -> io::Result<&mut File> {
        if !self.open.contains_key(&group) {
            let file = append_options().open(path)?;
            self.keep_open(group, file);
        }
        Ok(self.open.get_mut(&group).expect("it was put there above"))
    }

    fn keep_open(&mut self, group: i64, file: File) {
        if self.open.len() >= OPEN_MAX
            && let Some(other) = self.open.keys().copied().find(|other| *other != group)
        {
            self.open.remove(&other);
        }
        self.open.insert(group, file);
    }

    fn group_dir(&self, group: i64) -> PathBuf {
        self.dir.join(group.to_string())
    }

    /// Sorts and compresses the growing segment of a group, if there is one with events.
    pub(crate) fn close_growing(&mut self, group: i64) -> io::Result<()> {
        let last = self.segments.last(group);
        let Some(growing) = last.filter(|last| !last.is_closed && last.totals.events > 0) else {
            return Ok(());
        };
        self.rewrite(group, &growing, &Keep::default())
    }

    /// Writes a segment anew with those events that are kept, and has the old file removed.
    fn rewrite(&mut self, group: i64, segment: &Arc<Segment>, keep: &Keep) -> io::Result<()> {
        let written = rewrite(&self.group_dir(group), segment, keep)?.map(Arc::new);
        if !segment.is_closed {
            self.open.remove(&group);
        }
        self.segments.change(group, |list| {
            let at = list.iter().position(|other| other.number == segment.number);
            let at = at.expect("the writer alone changes the list, and has just read it");
            match written {
                Some(written) => list[at] = written,
                None => {
                    list.remove(at);
                }
            }
        });
        segment.doom();
        Ok(())
    }

    /// Removes the segments of a group whose newest event is before this moment. Answers how many.
    pub(crate) fn expire(&mut self, group: i64, before_ms: i64) -> usize {
        let mut removed = 0;
        self.segments.change(group, |list| {
            list.retain(|segment| {
                let stays = segment.totals.max_ms >= before_ms || segment.totals.events == 0;
                if !stays {
                    segment.doom();
                    removed += 1;
                }
                stays
            });
        });
        if removed > 0 {
            self.open.remove(&group);
        }
        removed
    }

    /// Takes the events of streams out of one segment that may hold some. Answers whether there are further ones.
    pub(crate) fn purge_some(
        &mut self,
        group: i64,
        streams: &HashSet<i64>,
        done: &mut HashSet<u64>,
    ) -> io::Result<bool> {
        let bits = streams.iter().fold(0, |bits, stream| bits | super::frame::stream_bit(*stream));
        let next = self
            .segments
            .of(group)
            .into_iter()
            .find(|segment| segment.totals.streams & bits != 0 && !done.contains(&segment.number));
        let Some(segment) = next else { return Ok(false) };
        self.rewrite(group, &segment, &Keep { without: streams.clone() })?;
        done.insert(segment.number);
        Ok(true)
    }

    /// Removes all of a group.
    pub(crate) fn remove(&mut self, group: i64) -> io::Result<()> {
        self.open.remove(&group);
        let mut is_known = false;
        self.segments.change(group, |list| {
            is_known = !list.is_empty();
            list.iter().for_each(|segment| segment.doom());
            list.clear();
        });
        // Readers that still hold segments keep their open files; the names may go.
        if is_known { std::fs::remove_dir_all(self.group_dir(group)) } else { Ok(()) }
    }
}

fn append_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options
}

/// The segments in a group's folder, oldest first. Of a segment's several files the newest generation counts: it was
/// complete when it got its name.
fn open_group(dir: &Path) -> io::Result<Vec<Arc<Segment>>> {
    let mut best: HashMap<u64, (bool, u32, PathBuf)> = HashMap::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let Some((number, generation, closed)) = entry.file_name().to_str().and_then(parse_name) else {
            std::fs::remove_file(entry.path())?;
            continue;
        };
        let found = (closed, generation, entry.path());
        match best.get(&number) {
            Some(known) if (known.0, known.1) > (closed, generation) => std::fs::remove_file(found.2)?,
            _ => {
                if let Some((_, _, older)) = best.insert(number, found) {
                    std::fs::remove_file(older)?;
                }
            }
        }
    }
    let mut segments = Vec::new();
    for (number, (closed, generation, path)) in best {
        segments.push(if closed {
            Segment::closed(path, number, generation)?
        } else {
            cut_torn_end(path, number)?
        });
    }
    segments.retain(|segment| {
        let stays = segment.totals.events > 0 || !segment.is_closed;
        if !stays {
            segment.doom();
        }
        stays
    });
    segments.sort_by_key(|segment| segment.number);
    Ok(segments.into_iter().map(Arc::new).collect())
}

fn cut_torn_end(path: PathBuf, number: u64) -> io::Result<Segment> {
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let mut totals = Totals::default();
    let mut end = recover(&file, &mut totals)?;
    file.set_len(end)?;
    if end == 0 {
        file.write_all_at(&MAGIC, 0)?;
        end = MAGIC.len() as u64;
    }
    Ok(Segment::growing(path, number, end, totals))
}
