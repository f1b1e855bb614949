use roadproof::compress::CalibrationImages;

use super::*;
use crate::data::options::Half;
use crate::data::testing;

fn classes() -> Vec<String> {
    ["car", "bicycle", "traffic light"].map(str::to_owned).to_vec()
}

fn open(source: SourceOptions) -> Result<Store, DataError> {
    Store::open(&DataOptions::plain(source), &classes())
}

fn names(store: &Store) -> Vec<String> {
    let short = |name: &str| Path::new(name).file_stem().unwrap().to_string_lossy().into_owned();
    (0..store.len()).map(|index| short(store.name(index))).collect()
}

#[test]
fn folders_are_opened_by_name_and_hashed_as_calibration_images_are() {
    let folder = testing::pictures(5);
    std::fs::write(folder.path().join("notes.txt"), "no image").unwrap();
    let store = open(SourceOptions::all(folder.path())).unwrap();
    assert_eq!(names(&store), ["00", "01", "02", "03", "04"]);
    assert_eq!(store.objects(0), None);
    assert_eq!(store.sha256(), CalibrationImages::open(folder.path(), None).unwrap().sha256().unwrap());
    let one = open(SourceOptions::all(folder.path().join("03.jpg"))).unwrap();
    assert_eq!(names(&one), ["03"]);
    assert_ne!(one.sha256(), store.sha256());
}

#[test]
fn halves_share_no_image() {
    let folder = testing::labelled(5, |_| String::new());
    let half = |half| open(SourceOptions { half: Some(half), ..SourceOptions::all(folder.path()) }).unwrap();
    assert_eq!(names(&half(Half::First)), ["00", "02", "04"]);
    assert_eq!(names(&half(Half::Second)), ["01", "03"]);
}

#[test]
fn labels_are_mapped_to_the_classes_of_the_model() {
    // the tram is not the model's; the second image has no label
    let lines =
        |number| if number == 0 { "0 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.1 0.1\n1 0.25 0.5 0.1 0.2\n" } else { "" };
    let folder = testing::labelled(2, |number| lines(number).to_owned());
    let store = open(SourceOptions::all(folder.path())).unwrap();
    let objects = store.objects(0).unwrap();
    let found: Vec<_> = objects.iter().map(|object| (object.class_id, object.bbox)).collect();
    assert_eq!(
        found,
        [(0, BoundingBox::new(20.0, 15.0, 60.0, 45.0)), (1, BoundingBox::new(16.0, 24.0, 24.0, 36.0))]
    );
    assert_eq!(store.objects(1), Some(&[][..]));
    assert!(store.warnings()[0].contains("tram"), "{:?}", store.warnings());

    let map = folder.path().join("map.toml");
    std::fs::write(&map, "[classes]\ntram = \"car\"").unwrap();
    let store = open(SourceOptions { class_map: Some(map), ..SourceOptions::all(folder.path()) }).unwrap();
    assert_eq!(store.objects(0).unwrap().len(), 3);
    assert_eq!(store.warnings(), [""; 0]);
}

#[test]
fn labels_out_of_range_are_errors_with_their_place() {
    let message = |line: &str| {
        let folder = testing::labelled(1, |_| format!("0 0.5 0.5 0.1 0.1\n{line}\n"));
        open(SourceOptions::all(folder.path())).unwrap_err().to_string()
    };
    assert!(message("3 0.5 0.5 0.1 0.1").contains("00.txt:2"), "a class beyond the last");
    assert!(message("0 1.5 0.5 0.1 0.1").contains("00.txt:2"), "a centre beyond the image");
    let beyond = message("0 0.9 0.5 0.6 0.1");
    assert!(
        beyond.contains("label 2") && beyond.contains("00.png") && beyond.contains("80 x 60"),
        "{beyond}"
    );
    // rounding is none
    let folder = testing::labelled(1, |_| "0 0.5 0.5 1.005 1.0\n".to_owned());
    assert!(open(SourceOptions::all(folder.path())).is_ok());
}

#[test]
fn what_gives_no_image_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(SourceOptions::all(folder.path())).unwrap_err();
    assert!(matches!(error, DataError::Empty { .. }), "{error}");
    let error = open(SourceOptions::all(folder.path().join("nowhere"))).unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
    let error = open(SourceOptions::all(folder.path().join("nowhere.jpg"))).unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
    let only_trams = testing::labelled(1, |_| String::new());
    std::fs::write(only_trams.path().join("classes.txt"), "tram\n").unwrap();
    let error = open(SourceOptions::all(only_trams.path())).unwrap_err();
    assert!(matches!(error, DataError::NothingKnown { .. }), "{error}");
}

#[test]
fn pictures_are_decoded_when_they_are_needed() {
    let folder = testing::pictures(2);
    let store = open(SourceOptions::all(folder.path())).unwrap();
    let mut decoder = CompressedDecoder::new(roadproof::image::DecodeLimits::default());
    let view = store.decode(1, &mut decoder).unwrap();
    assert_eq!((view.width(), view.height()), (87, 65));
    assert!(matches!(store.decode(2, &mut decoder), Err(DataError::NoImage { found: 2, images: 2 })));
    let file = folder.path().join("00.jpg");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let error = store.decode(0, &mut decoder).unwrap_err().to_string();
    assert!(error.contains("00.jpg"), "{error}");
    std::fs::remove_file(&file).unwrap();
    assert!(store.decode(0, &mut decoder).unwrap_err().to_string().contains("cannot be read"));
}

/// A bag of six images, compressed and not; the fourth of the latter has an encoding that nobody knows.
fn bag(path: &Path) {
    use roadproof::data::bag::BagWriter;
    use roadproof::data::bag::cdr::{COMPRESSED_IMAGE_TYPE, CompressedImage, IMAGE_TYPE, Image};
    let folder = testing::pictures(6);
    let mut writer = BagWriter::create(path).unwrap();
    let raw = writer.add_topic("/raw", IMAGE_TYPE).unwrap();
    let compressed = writer.add_topic("/compressed", COMPRESSED_IMAGE_TYPE).unwrap();
    for number in 0..6_u8 {
        let stamp_ns = i64::from(number) * 100_000_000;
        let file = std::fs::read(folder.path().join(format!("{number:02}.jpg"))).unwrap();
        let image = CompressedImage { stamp_ns, frame_id: "camera", format: "jpeg", data: &file };
        writer.write(compressed, stamp_ns, stamp_ns, &image.encode().unwrap()).unwrap();
        let data = [10 * number, 100, 200].repeat(40 * 30);
        let image = Image {
            stamp_ns,
            frame_id: "camera",
            height: 30,
            width: 40,
            encoding: if number == 3 { "odd8" } else { "rgb8" },
            is_bigendian: 0,
            step: 120,
            data: &data,
        };
        writer.write(raw, stamp_ns, stamp_ns, &image.encode().unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn frames_of_streams_are_kept_as_they_came_or_as_jpeg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.mcap");
    bag(&path);
    let topic = |name: &str| SourceOptions { topics: vec![name.to_owned()], ..SourceOptions::all(&path) };
    let mut decoder = CompressedDecoder::new(roadproof::image::DecodeLimits::default());

    let store = open(topic("/compressed")).unwrap();
    assert_eq!(store.len(), 6);
    let pictures = testing::pictures(6);
    assert_eq!(store.sha256(), open(SourceOptions::all(pictures.path())).unwrap().sha256(), "the same bytes");
    assert!(store.name(4).contains("drive.mcap"), "{}", store.name(4));

    let few = open(SourceOptions { every: 2, limit: Some(2), ..topic("/raw") }).unwrap();
    assert_eq!(few.len(), 2);
    let view = few.decode(1, &mut decoder).unwrap();
    assert_eq!((view.width(), view.height()), (40, 30));
    let near = |pixel: &[u8; 3]| pixel.iter().zip([20, 100, 200]).all(|(a, b)| a.abs_diff(b) < 6);
    assert!(view.data().as_chunks::<3>().0.iter().all(near), "the third frame");

    // one of six frames has no encoding that is known
    let error = open(topic("/raw")).unwrap_err();
    assert!(matches!(error, DataError::Unreadable { count: 1, images: 6, .. }), "{error}");
    assert!(error.to_string().contains("odd8"), "{error}");

    let options = DataOptions { memory_mib: 0, ..DataOptions::plain(topic("/compressed")) };
    let error = Store::open(&options, &classes()).unwrap_err();
    assert!(matches!(error, DataError::Memory { frames: 0, .. }), "{error}");
}

#[test]
fn frames_of_videos_are_kept_as_jpeg() {
    use opencv::core::{CV_8UC3, Mat, Scalar, Size};
    use opencv::videoio::{VideoWriter, VideoWriterTrait as _};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.avi");
    let codec = VideoWriter::fourcc('M', 'J', 'P', 'G').unwrap();
    let mut writer = VideoWriter::new_def(path.to_str().unwrap(), codec, 10.0, Size::new(64, 48)).unwrap();
    for number in 0..5_u8 {
        let colour = Scalar::new(200.0, 100.0, 40.0 * f64::from(number), 0.0);
        writer.write(&Mat::new_rows_cols_with_default(48, 64, CV_8UC3, colour).unwrap()).unwrap();
    }
    writer.release().unwrap();

    let store = open(SourceOptions { half: Some(Half::Second), ..SourceOptions::all(&path) }).unwrap();
    assert_eq!(store.len(), 2);
    let mut decoder = CompressedDecoder::new(roadproof::image::DecodeLimits::default());
    let view = store.decode(1, &mut decoder).unwrap();
    assert_eq!((view.width(), view.height()), (64, 48));
    let near = |pixel: &[u8; 3]| pixel.iter().zip([120, 100, 200]).all(|(a, b)| a.abs_diff(b) < 12);
    assert!(view.data().as_chunks::<3>().0.iter().all(near), "the fourth frame, red first");
}
