//! CRIU's files: a magic number of eight bytes, of four in the inventory, then messages of Protocol Buffers, each behind its
//! length (criu.org, "Images").

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use lambent_sandbox_protocol::Failure;
use rustix::fs::{Dir, Mode, OFlags, fchmod, fstat, openat};

use crate::step::{Step, refused};

const MAGIC: usize = 8;
const INVENTORY_MAGIC: usize = 4;
const LENGTH: usize = 4;
/// `inventory_entry.root_ids`: the ids of CRIU itself.
const ROOT_IDS: u64 = 3;
/// `task_kobj_ids_entry.user_ns_id`.
const USER_NAMESPACE: u64 = 10;
/// A file of either kind has less than a hundred bytes.
const MOST: u64 = 64 * 1024;

/// CRIU took the snapshot from outside of the sandbox's user namespace, and would make another one for it. It is brought to
/// life by a CRIU that is in the namespace already: so the files are to say that both were in the same.
pub(super) fn belong_to_the_same_user_namespace(folder: &OwnedFd) -> Result<(), Failure> {
    let what = "read criu's files";
    let inventory = read(folder, "inventory.img").step(what)?;
    let unknown = || refused("criu's files are not of the known form");
    let own = messages(&inventory, INVENTORY_MAGIC)
        .and_then(|mut found| found.pop())
        .and_then(|message| fields(message)?.into_iter().find_map(|field| field.bytes(ROOT_IDS)))
        .and_then(|ids| fields(ids)?.into_iter().find_map(|field| field.number(USER_NAMESPACE)))
        .ok_or_else(unknown)?;
    for entry in Dir::read_from(folder).step(what)? {
        let entry = entry.step(what)?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name.starts_with("ids-") {
            let image = read(folder, name).step(what)?;
            let changed = with_user_namespace(&image, own).ok_or_else(unknown)?;
            let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC;
            let file = openat(folder, name, flags, Mode::empty()).step(what)?;
            fs::File::from(file).write_all(&changed).step("change criu's files")?;
        }
    }
    Ok(())
}

/// Lets whoever has the folder read its files, and nobody has it but the launcher. Answers their bytes.
pub(super) fn share(folder: &OwnedFd) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let file = openat(
            folder,
            entry.file_name(),
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        fchmod(&file, Mode::from_raw_mode(0o644))?;
        bytes += u64::try_from(fstat(&file)?.st_size).unwrap_or(0);
    }
    Ok(bytes)
}

fn read(folder: &OwnedFd, name: &str) -> std::io::Result<Vec<u8>> {
    let file = openat(folder, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let mut image = Vec::new();
    fs::File::from(file).take(MOST).read_to_end(&mut image)?;
    Ok(image)
}

/// The messages of a file.
fn messages(image: &[u8], magic: usize) -> Option<Vec<&[u8]>> {
    let mut rest = image.get(magic..)?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_at_checked(LENGTH)?;
        let length = u32::from_le_bytes(length.try_into().ok()?);
        let (message, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        found.push(message);
        rest = after;
    }
    Some(found)
}

/// A field of a message, with its bytes as they are.
#[derive(Debug)]
struct Field<'a> {
    tag: u64,
    whole: &'a [u8],
    value: Value<'a>,
}

#[derive(Debug)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Field<'a> {
    fn bytes(&self, tag: u64) -> Option<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) if self.tag == tag => Some(bytes),
            _ => None,
        }
    }

    fn number(&self, tag: u64) -> Option<u64> {
        match self.value {
            Value::Number(number) if self.tag == tag => Some(number),
            _ => None,
        }
    }
}

/// The fields of a message (protobuf.dev, "Encoding").
fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let (mut found, mut rest) = (Vec::new(), message);
    while !rest.is_empty() {
        let begin = rest;
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)?),
            1 => Value::Other.after(&mut rest, 8)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, after) = rest.split_at_checked(length)?;
                rest = after;
                Value::Bytes(bytes)
            }
            5 => Value::Other.after(&mut rest, 4)?,
            _ => return None,
        };
        found.push(Field { tag: key >> 3, whole: &begin[..begin.len() - rest.len()], value });
    }
    Some(found)
}

impl Value<'_> {
    fn after(self, rest: &mut &[u8], length: usize) -> Option<Self> {
        *rest = rest.get(length..)?;
        Some(self)
    }
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn push_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// An `ids-PID.img` with another user namespace.
fn with_user_namespace(image: &[u8], namespace: u64) -> Option<Vec<u8>> {
    let mut changed = image.get(..MAGIC)?.to_vec();
    for message in messages(image, MAGIC)? {
        let mut text = Vec::new();
        for field in fields(message)? {
            if field.number(USER_NAMESPACE).is_some() {
                push_varint(&mut text, USER_NAMESPACE << 3);
                push_varint(&mut text, namespace);
            } else {
                text.extend_from_slice(field.whole);
            }
        }
        changed.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
        changed.extend_from_slice(&text);
    }
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As CRIU 4.2.1 writes them, the first with ids of one byte each.
    const IDS: [u8; 36] = [
        0x19, 0x43, 0x56, 0x54, 0x30, 0x20, 0x43, 0x54, 24, 0, 0, 0, 8, 2, 16, 2, 24, 2, 32, 2, 40, 1, 48, 2,
        56, 3, 64, 4, 72, 6, 80, 9, 88, 10, 96, 5,
    ];

    #[test]
    fn only_the_user_namespace_is_changed() {
        let changed = with_user_namespace(&IDS, 7).unwrap();
        let expected = IDS.map(|byte| if byte == 9 { 7 } else { byte });
        assert_eq!(changed, expected);
        let larger = with_user_namespace(&IDS, 300).unwrap();
        assert_eq!(larger.len(), IDS.len() + 1);
        let ids = messages(&larger, MAGIC).unwrap()[0];
        assert_eq!(fields(ids).unwrap().iter().find_map(|field| field.number(USER_NAMESPACE)), Some(300));
    }

    #[test]
    fn what_is_of_another_form_is_refused() {
        assert_eq!(with_user_namespace(&IDS[..30], 7), None, "cut short");
        assert_eq!(with_user_namespace(&IDS[..4], 7), None, "no magic number");
        let mut group = IDS;
        group[12] = 11;
        assert_eq!(with_user_namespace(&group, 7), None, "a group, which is long out of use");
    }
}
