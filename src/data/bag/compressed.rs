//! Compression by rosbag2 itself: whole files, or message by message.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::{BagError, Loss};

pub(super) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The largest message that is decompressed.
pub(super) const MAX_MESSAGE_BYTES: u64 = 512 << 20;

/// Decompresses a file into a temporary one (in `TMPDIR`). A file that is cut off or damaged yields what comes
/// before the break.
pub(super) fn decompress_file(path: &Path, loss: &mut Loss) -> Result<NamedTempFile, BagError> {
    let source = File::open(path).map_err(BagError::io(path))?;
    let length = source.metadata().map_err(BagError::io(path))?.len();
    let mut counted = Counted { source, read: 0 };
    let mut target = NamedTempFile::new().map_err(BagError::io(&std::env::temp_dir()))?;
    let mut decoder = zstd::Decoder::new(&mut counted).map_err(BagError::io(path))?;
    let mut block = vec![0; 1 << 18];
    let broken = loop {
        match decoder.read(&mut block) {
            Ok(0) => break None,
            Ok(count) => {
                let bytes = block.get(..count).unwrap_or_default();
                target.write_all(bytes).map_err(BagError::io(&std::env::temp_dir()))?;
            }
            Err(error) => break Some(error),
        }
    };
    drop(decoder);
    if let Some(error) = broken {
        let left = length.saturating_sub(counted.read);
        loss.add(left, format!("{}: zstd data broken near byte {}: {error}", path.display(), counted.read));
    }
    Ok(target)
}

struct Counted {
    source: File,
    read: u64,
}

impl Read for &mut Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read += count as u64;
        Ok(count)
    }
}

/// Decompresses one message.
pub(super) fn decompress_message(data: &[u8]) -> Result<Vec<u8>, String> {
    let decoder = zstd::Decoder::with_buffer(data).map_err(|error| error.to_string())?;
    let mut message = Vec::new();
    decoder.take(MAX_MESSAGE_BYTES + 1).read_to_end(&mut message).map_err(|error| error.to_string())?;
    if message.len() as u64 > MAX_MESSAGE_BYTES {
        return Err(format!("expected at most {MAX_MESSAGE_BYTES} bytes in a message"));
    }
    Ok(message)
}
