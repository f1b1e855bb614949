//! Figures on real photographs, where they are at hand.

use std::path::{Path, PathBuf};

use super::degraded::corrupted;
use crate::corruption::{Picture, Step};
use crate::image::{CompressedDecoder, DecodeLimits};

/// So many photographs, spread over the folder.
const PHOTOGRAPHS: usize = 4;

fn photographs(folder: &str) -> Option<Vec<Picture>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: {} is absent", folder.display());
        return None;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut decoder = CompressedDecoder::new(DecodeLimits::default());
    let mut load = |path: &PathBuf| {
        let mut picture = Picture::default();
        picture.assign(&decoder.decode("jpeg", &std::fs::read(path).unwrap()).unwrap()).unwrap();
        picture
    };
    Some(files.iter().step_by(files.len() / PHOTOGRAPHS).take(PHOTOGRAPHS).map(&mut load).collect())
}

#[test]
fn real_photographs_are_judged_as_made_ones_are() {
    for folder in ["coco128-train/images", "camvid-frames"] {
        let Some(pictures) = photographs(folder) else { return };
        for (index, picture) in pictures.iter().enumerate() {
            let under = |text: &str| corrupted(picture, &[text.parse::<Step>().unwrap()]);
            let series =
                |corruption: &str| [0, 1, 3, 5].map(|severity| under(&format!("{corruption}:{severity}")));
            for corruption in ["gaussian_noise", "shot_noise"] {
                let noise = series(corruption).map(|quality| quality.noise);
                assert!(noise.is_sorted_by(|a, b| a < b), "{folder} {index}, {corruption}: {noise:?}");
            }
            for corruption in ["gaussian_blur", "defocus_blur"] {
                let sharpness = series(corruption).map(|quality| quality.sharpness);
                assert!(
                    sharpness.is_sorted_by(|a, b| a > b),
                    "{folder} {index}, {corruption}: {sharpness:?}"
                );
            }
            let contrast = series("contrast").map(|quality| quality.contrast);
            assert!(contrast.is_sorted_by(|a, b| a > b), "{folder} {index}: {contrast:?}");
            let blockiness = series("jpeg_compression").map(|quality| quality.blockiness);
            assert!(blockiness.is_sorted_by(|a, b| a < b), "{folder} {index}: {blockiness:?}");
            for text in ["fog:0", "fog:5", "defocus_blur:5", "low_light:5", "snow:5"] {
                let quality = under(text);
                assert!(
                    !quality.is_black() && !quality.is_obstructed(),
                    "{folder} {index}, {text}: {quality:?}"
                );
            }
        }
    }
}
