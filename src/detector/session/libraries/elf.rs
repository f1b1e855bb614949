//! Which shared libraries a library needs, as its file says.

use std::fs::File;
use std::path::Path;

use elf::ElfStream;
use elf::abi::{DT_NEEDED, SHT_DYNAMIC};
use elf::endian::AnyEndian;

/// The libraries that the dynamic section of an ELF file names (`DT_NEEDED`; System V ABI, "Dynamic Section"), in order.
pub(in crate::detector::session) fn needed(path: &Path) -> Result<Vec<String>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut stream =
        ElfStream::<AnyEndian, _>::open_stream(file).map_err(|error| format!("no ELF library: {error}"))?;
    let section = stream.section_headers().iter().find(|section| section.sh_type == SHT_DYNAMIC).copied();
    let Some(section) = section else { return Ok(Vec::new()) };
    let names = stream.section_headers().get(section.sh_link as usize).copied();
    let names = names.ok_or("no ELF library: its dynamic section has no strings")?;
    let broken = |error: elf::ParseError| format!("no ELF library: {error}");
    let table = stream.dynamic().map_err(broken)?;
    let offsets: Vec<usize> = table
        .into_iter()
        .flat_map(|table| table.iter())
        .filter(|entry| entry.d_tag == DT_NEEDED)
        .filter_map(|entry| usize::try_from(entry.d_val()).ok())
        .collect();
    let strings = stream.section_data_as_strtab(&names).map_err(broken)?;
    offsets.into_iter().map(|offset| strings.get(offset).map(str::to_owned).map_err(broken)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_itself_needs_the_c_library() {
        let found = needed(&std::env::current_exe().unwrap()).unwrap();
        assert!(found.iter().any(|name| name == "libc.so.6"), "{found:?}");
    }

    #[test]
    fn what_is_no_library_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libx.so");
        assert!(needed(&path).is_err(), "nothing there");
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for bytes in [&b""[..], b"text, no library", &own[..200], &own[..own.len() / 2]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(needed(&path).is_err(), "{} bytes", bytes.len());
        }
    }
}
