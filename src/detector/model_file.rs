//! The model file before ONNX Runtime sees it: is it there, is it the right one.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::DetectorError;
use super::error::ModelFileProblem;

/// Bytes hashed between two calls of `progress`.
const CHUNK_BYTES: usize = 1 << 20;

/// Hashes the file (`progress` hears of the bytes done and the whole) and compares with `expected`, if given. Returns
/// the SHA-256 in lower-case hexadecimal.
pub(crate) fn verify(
    path: &Path,
    expected: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<String, DetectorError> {
    let problem = |problem| Err(DetectorError::ModelFile { path: path.to_owned(), problem });
    let unreadable = |source| DetectorError::Read { what: "the model", path: path.to_owned(), source };

    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return problem(ModelFileProblem::Missing);
        }
        opened => opened.map_err(unreadable)?,
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return problem(ModelFileProblem::NotAFile);
    }
    let total = metadata.len();
    if total == 0 {
        return problem(ModelFileProblem::Empty);
    }
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut done = 0;
    progress(done, total);
    loop {
        let read = match file.read(&mut chunk) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.map_err(unreadable)?,
        };
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        if done == 0
            && let Some(found) = foreign(bytes)
        {
            return problem(found);
        }
        hash.update(bytes);
        done += read as u64;
        progress(done, total.max(done));
    }
    let found = hexadecimal(&hash.finalize());
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&found) => {
            Err(DetectorError::Hash { path: path.to_owned(), expected: expected.to_ascii_lowercase(), found })
        }
        _ => Ok(found),
    }
}

/// Bytes as lower-case hexadecimal digits: how hashes are written.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a string cannot fail
        text
    })
}

/// The other kinds of file that often take a model's place, by their first bytes. ONNX itself (a protobuf message) has
/// no magic number.
fn foreign(start: &[u8]) -> Option<ModelFileProblem> {
    let text = start.trim_ascii_start();
    if start.starts_with(b"version https://git-lfs") {
        Some(ModelFileProblem::LfsPointer)
    } else if start.starts_with(b"PK\x03\x04") {
        Some(ModelFileProblem::Zip)
    } else if text.starts_with(b"<!") || text.starts_with(b"<html") || text.starts_with(b"<HTML") {
        Some(ModelFileProblem::Html)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(bytes: &[u8], expected: Option<&str>) -> Result<String, DetectorError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, bytes).unwrap();
        verify(&path, expected, &mut |_, _| ())
    }

    #[test]
    fn hashes_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, vec![b'a'; 2_500_000]).unwrap();
        let mut calls = Vec::new();
        let hash = verify(&path, None, &mut |done, total| calls.push((done, total))).unwrap();
        assert_eq!(calls.first(), Some(&(0, 2_500_000)));
        assert_eq!(calls.last(), Some(&(2_500_000, 2_500_000)));
        assert!(calls.len() >= 4);
        assert_eq!(hash.len(), 64);
        assert_eq!(verify(&path, Some(&hash.to_uppercase()), &mut |_, _| ()).unwrap(), hash);
    }

    #[test]
    fn the_hash_is_the_published_one_of_abc() {
        // FIPS 180-2, appendix B.1
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(verified(b"abc", Some(hash)).unwrap(), hash);
    }

    #[test]
    fn another_hash_is_told() {
        let error = verified(b"abc", Some(&"0".repeat(64))).unwrap_err().to_string();
        assert!(error.contains("expected 0000") && error.contains("found ba7816bf"), "{error}");
    }

    #[test]
    fn what_is_no_model_is_named() {
        let cases: [(&[u8], &str); 5] = [
            (b"", "is empty"),
            (b"\n <!DOCTYPE html><html>404</html>", "is a web page"),
            (b"<html>", "is a web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
            (b"PK\x03\x04archive/data.pkl", "zip archive"),
        ];
        for (bytes, part) in cases {
            let error = verified(bytes, None).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let missing = verify(&folder.path().join("no.onnx"), None, &mut |_, _| ()).unwrap_err().to_string();
        assert!(missing.contains("does not exist"), "{missing}");
        let error = verify(folder.path(), None, &mut |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
