//! The operator's properties file, read at the start and changed while a server runs (Java: `Configuration.persist`, which
//! writes all keys anew): the values of some keys change, and all else stays, from the comments to whom the file belongs.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::Entry;
use super::file::{self, FileError};

/// A text of a properties file: UTF-8 where it is that, else ISO-8859-1, which Java takes each for.
pub fn decode(bytes: Vec<u8>) -> (String, Encoding) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, Encoding::Utf8),
        Err(error) => (error.as_bytes().iter().map(|byte| char::from(*byte)).collect(), Encoding::Latin1),
    }
}

/// How a file's characters are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Latin1,
}

impl Encoding {
    /// The bytes of what [`decode`] gave, with nothing but ASCII added.
    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Latin1 => {
                text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect()
            }
        }
    }
}

/// Writes changed keys of `entries` to where they outlive the process: the file of `-c`, or else `spare`, to which 4.3.0
/// writes them, too, and which nobody reads at a start. Gives what whoever changed them should know of that.
pub fn keep(
    file: Option<&Path>,
    spare: Option<&Path>,
    changed: &[String],
    entries: &[Entry],
) -> Result<Option<String>, FileError> {
    if let Some(file) = file {
        return change(file, changed, entries).map(|()| None);
    }
    let Some(spare) = spare else {
        return Ok(Some(
            "the change lasts until the next start: no file was given with -c to write it to".to_owned(),
        ));
    };
    let path = spare.display();
    Ok(Some(match fs::exists(spare).and_then(|is_there| if is_there { Ok(()) } else { begin(spare) }) {
        Err(error) => format!("the change lasts until the next start: {path} is not written ({error})"),
        Ok(()) => match change(spare, changed, entries) {
            Err(error) => format!("the change lasts until the next start: {error}"),
            Ok(()) => {
                format!("the change lasts until the next start, unless that reads {path}: give it with -c")
            }
        },
    }))
}

fn begin(path: &Path) -> io::Result<()> {
    fs::create_dir_all(super::paths::parent(path).unwrap_or(Path::new("/")))?;
    fs::write(path, "# settings changed at run time; read by a server that is given this file with -c\n")
}

/// Writes changed keys of `entries` into a file that is there. What a link names is changed, and the link stays.
fn change(path: &Path, changed: &[String], entries: &[Entry]) -> Result<(), FileError> {
    let write = || {
        let path = fs::canonicalize(path)?;
        let (before, like) = (fs::read(&path)?, fs::metadata(&path)?);
        let (text, encoding) = decode(before.clone());
        let values = changed.iter().filter_map(|key| {
            let entry = entries.iter().rev().find(|entry| entry.key == *key)?;
            Some((key.as_str(), entry.value.as_str()))
        });
        let text = values.fold(text, |text, (key, value)| with_value(&text, key, value));
        replace(&path, &encoding.encode(&text), &before, &like)
    };
    write().map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// Replaces the file at once where that can be done, after a copy in `.bak`; where the folder or a mount is in the way
/// writes into it.
fn replace(path: &Path, text: &[u8], before: &[u8], like: &Metadata) -> io::Result<()> {
    match file::put_in_place(&file::beside(path, ".bak"), before, Some(like)) {
        Err(error) if is_closed(&error) => {
            tracing::warn!(path = %path.display(), %error, "no copy in .bak of the settings before the change");
        }
        copied => copied?,
    }
    match file::put_in_place(path, text, Some(like)) {
        Err(error) if is_closed(&error) => overwrite(path, text, before),
        replaced => replaced.and_then(|()| file::sync_folder(path)),
    }
}

/// Whether other files cannot be made beside a file, or not be put into its place: it is mounted by itself, or only the
/// file may be written.
fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ResourceBusy
            | ErrorKind::CrossesDevices
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
    )
}

/// Writes into a file. A power cut meanwhile may leave a part of it; a full disk leaves it as it was.
fn overwrite(path: &Path, text: &[u8], before: &[u8]) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    let put = |bytes: &[u8]| {
        file.write_all_at(bytes, 0)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    put(text).inspect_err(|_| {
        let _ = put(before);
    })
}

/// A properties text with a key's value changed where it counts, its last entry, or added at the end. All else stays as
/// the operator wrote it, line ends too.
fn with_value(text: &str, key: &str, value: &str) -> String {
    let setting = format!("{key}={}", ascii(&compat::properties::escape_value(value)));
    let entry = compat::properties::parse(text).into_iter().rev().find(|entry| entry.key.trim() == key);
    let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let lines: Vec<&str> = text[mark.len()..].split_inclusive('\n').collect();
    let usual = lines.first().map(|line| end(line)).filter(|end| !end.is_empty()).unwrap_or("\n");
    // A line that ends in an odd number of backslashes goes on in the next.
    let goes_on = |line: &str| {
        let line = &line[..line.len() - end(line).len()];
        (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
    };
    let (start, stop) = match entry.map(|entry| entry.line - 1).filter(|start| *start < lines.len()) {
        Some(start) => {
            let more = lines[start..].iter().take_while(|line| goes_on(line)).count();
            (start, (start + more + 1).min(lines.len()))
        }
        None => (lines.len(), lines.len()),
    };
    let mut out = mark.to_owned() + &lines[..start].concat();
    if start == stop {
        let last = lines.last().copied().unwrap_or_default();
        // What goes on would take in a line that follows it.
        let is_open = !last.is_empty() && end(last).is_empty();
        let ends = usize::from(is_open) + usize::from(goes_on(last));
        out.push_str(&usual.repeat(ends));
    }
    let ending = if start == stop { usual } else { end(lines[stop - 1]) };
    out + &setting + ending + &lines[stop..].concat()
}

/// How a line ends.
fn end(line: &str) -> &'static str {
    if line.ends_with("\r\n") {
        "\r\n"
    } else if line.ends_with('\n') {
        "\n"
    } else {
        ""
    }
}

/// Other characters escaped, so that they are the same in every encoding, 4.3.0's too.
fn ascii(text: &str) -> String {
    let mut units = [0; 2];
    let escaped = |char: char| match char {
        ' '..='~' => char.to_string(),
        _ => char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04X}")).collect(),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::config::Origin;

    fn change_to(path: &Path, key: &str, value: &str) {
        change(path, &[key.to_owned()], &[Entry::new(key, value, Origin::Request)]).unwrap();
    }

    #[test]
    fn one_value_changes_and_all_else_stays() {
        let check = |text: &str, expected: &str| assert_eq!(with_value(text, "b", "2"), expected, "{text:?}");
        check("# why\na=1\nb=1\n\n# end\n", "# why\na=1\nb=2\n\n# end\n");
        check("b=0\nb : 1\n", "b=0\nb=2\n");
        check("b=1\\\n 2\\\n 3\na=1", "b=2\na=1");
        check("a=1", "a=1\nb=2\n");
        check("a=1\\", "a=1\\\n\nb=2\n");
        check("a=1\\\n", "a=1\\\n\nb=2\n");
        check("", "b=2\n");
        check("b=1", "b=2");
        check("#b=1\n", "#b=1\nb=2\n");
        check("# why\r\nb=1\\\r\n 2\r\na=1\r\n", "# why\r\nb=2\r\na=1\r\n");
        check("a=1\r\n", "a=1\r\nb=2\r\n");
        check("\u{feff}b=1\na=1\n", "\u{feff}b=2\na=1\n");
        assert_eq!(with_value("b=1\n", "b", "\u{e9}\u{1f600}\u{7}"), "b=\\u00E9\\uD83D\\uDE00\\u0007\n");
        assert_eq!(compat::properties::parse("b=\\u00E9\\uD83D\\uDE00")[0].value, "\u{e9}\u{1f600}");
    }

    #[test]
    fn other_encodings_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.conf");
        fs::write(&path, b"# caf\xe9\nb=1\n").unwrap();
        change_to(&path, "b", "\u{fc}");
        assert_eq!(fs::read(&path).unwrap(), b"# caf\xe9\nb=\\u00FC\n");
        assert_eq!(fs::read(file::beside(&path, ".bak")).unwrap(), b"# caf\xe9\nb=1\n");
        let (text, encoding) = decode(fs::read(&path).unwrap());
        assert_eq!((text.as_str(), encoding), ("# caf\u{e9}\nb=\\u00FC\n", Encoding::Latin1));
    }

    #[test]
    fn links_and_modes_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real/b.conf"), folder.path().join("b.conf"));
        fs::create_dir(folder.path().join("real")).unwrap();
        symlink("real/b.conf", &link).unwrap();
        for mode in [0o600, 0o644, 0o664] {
            fs::write(&path, "b=1\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            change_to(&link, "b", "2");
            assert!(link.symlink_metadata().unwrap().is_symlink());
            assert_eq!(fs::read_to_string(&path).unwrap(), "b=2\n");
            for path in [path.clone(), file::beside(&path, ".bak")] {
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode, "{path:?}");
            }
        }
    }

    #[test]
    fn owners_stay_where_this_user_may_give_files_away() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.conf");
        fs::write(&path, "b=1\n").unwrap();
        std::os::unix::fs::chown(&path, Some(65_534), Some(65_533)).unwrap();
        change_to(&path, "b", "2");
        for path in [path.clone(), file::beside(&path, ".bak")] {
            let found = fs::metadata(&path).unwrap();
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!((found.uid(), found.gid()), (65_534, 65_533), "{path:?}");
        }
    }

    #[test]
    fn a_file_that_nothing_can_be_put_in_the_place_of_is_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.conf");
        fs::write(&path, "a longer text\n").unwrap();
        overwrite(&path, b"b=2\n", b"a longer text\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "b=2\n");
        // EBUSY of a mounted file, EXDEV, EACCES and EPERM of its folder, EROFS; ENOSPC is none of them.
        let closed = |errno: i32| is_closed(&io::Error::from_raw_os_error(errno));
        assert!([16, 18, 13, 1, 30].into_iter().all(closed) && !closed(28));
    }

    #[test]
    fn without_a_file_of_the_operators_it_is_said_what_becomes_of_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let spare = folder.path().join("config/broker.properties");
        let entries = [Entry::new("b", "2", Origin::Request)];
        let keep = |file, spare| keep(file, spare, &["b".to_owned()], &entries);
        let said = keep(None, Some(&spare)).unwrap().unwrap();
        assert!(said.contains("config/broker.properties: give it with -c"), "{said}");
        assert!(fs::read_to_string(&spare).unwrap().ends_with("\nb=2\n"));
        let inside = spare.join("x");
        let said = keep(None, Some(&inside)).unwrap().unwrap();
        assert!(said.contains("is not written"), "{said}");
        assert!(keep(None, None).unwrap().unwrap().contains("-c"));
        assert_eq!(keep(Some(&spare), None).unwrap(), None);
        // The file of the start is not made again where somebody took it away.
        assert!(keep(Some(&folder.path().join("gone.conf")), None).is_err());
    }
}
