use std::io::{self, Write};
use std::path::Path;

use serde::Serialize as _;
use serde_json::ser::Formatter;

use super::{Profile, ProfileError};

impl Profile {
    /// Writes it, under a name of its own till it is whole. The same profile gives the same bytes.
    ///
    /// # Errors
    /// Something in it is out of range, so that it could not be read again, or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ProfileError> {
        let json = self.to_json()?;
        let wrong = |source| ProfileError::Write { path: path.to_owned(), source };
        let mut partial = path.as_os_str().to_owned();
        partial.push(".part");
        std::fs::write(&partial, json).map_err(wrong)?;
        std::fs::rename(&partial, path).map_err(wrong)
    }

    /// The content of its file: JSON with a line for each field, so that errors name a line that a reader finds, and lists within
    /// one line.
    ///
    /// # Errors
    /// Something in it is out of range, so that it could not be read again.
    pub fn to_json(&self) -> Result<Vec<u8>, ProfileError> {
        self.check().map_err(|problem| ProfileError::Invalid { problem })?;
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut json, Lines::default());
        let invalid = |error: serde_json::Error| ProfileError::Invalid { problem: error.to_string() };
        self.serialize(&mut serializer).map_err(invalid)?;
        json.push(b'\n');
        Ok(json)
    }
}

/// Each field of an object on a line of its own, lists in one.
#[derive(Default)]
struct Lines {
    depth: usize,
}

impl Lines {
    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b" "))
    }
}

impl Formatter for Lines {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        self.line(writer)?;
        writer.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
}
