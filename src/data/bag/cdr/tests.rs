use proptest::prelude::*;

use super::*;

const YEAR_2106_NS: i64 = 4_294_967_296_000_000_000;

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,12}"
}

fn stamp() -> impl Strategy<Value = i64> {
    -YEAR_2106_NS / 2..YEAR_2106_NS / 2
}

prop_compose! {
    fn hypothesis()(class_id in text(), score in any::<f32>().prop_filter("comparable", |s| !s.is_nan())) -> Hypothesis {
        Hypothesis { class_id, score: f64::from(score) }
    }
}

prop_compose! {
    fn detection()(
        stamp_ns in stamp(), frame_id in text(), id in text(),
        results in proptest::collection::vec(hypothesis(), 0..3),
        numbers in proptest::array::uniform5(-1e9..1e9f64),
    ) -> Detection2D {
        let [center_x_px, center_y_px, theta_rad, size_x_px, size_y_px] = numbers;
        Detection2D {
            stamp_ns, frame_id, results, center_x_px, center_y_px, theta_rad, size_x_px, size_y_px, id,
        }
    }
}

proptest! {
    #[test]
    fn images_survive(
        stamp_ns in stamp(), frame_id in text(), height: u32, width: u32, encoding in text(),
        is_bigendian: u8, step: u32, data: Vec<u8>,
    ) {
        let image = Image {
            stamp_ns, frame_id: &frame_id, height, width, encoding: &encoding, is_bigendian, step, data: &data,
        };
        let message = image.encode().unwrap();
        prop_assert_eq!(Image::decode(&message).unwrap(), image);
    }

    #[test]
    fn compressed_images_survive(stamp_ns in stamp(), frame_id in text(), format in text(), data: Vec<u8>) {
        let image = CompressedImage { stamp_ns, frame_id: &frame_id, format: &format, data: &data };
        let message = image.encode().unwrap();
        prop_assert_eq!(CompressedImage::decode(&message).unwrap(), image);
    }

    #[test]
    fn detections_survive(
        stamp_ns in stamp(), frame_id in text(), detections in proptest::collection::vec(detection(), 0..5),
    ) {
        let array = Detection2DArray { stamp_ns, frame_id, detections };
        prop_assert_eq!(Detection2DArray::decode(&array.encode().unwrap()).unwrap(), array);
    }

    #[test]
    fn arbitrary_bytes_end_in_a_value_or_an_error(order in 0u8..2, mut bytes: Vec<u8>) {
        for plain in [false, true] {
            if plain {
                bytes.splice(0..0, [0, order, 0, 0]);
            }
            let _ = Image::decode(&bytes);
            let _ = CompressedImage::decode(&bytes);
            let _ = Detection2DArray::decode(&bytes);
        }
    }

    #[test]
    fn a_cut_message_is_an_error(cut in 0usize..69, data in Just([7u8; 16])) {
        let image = Image {
            stamp_ns: 5, frame_id: "camera", height: 2, width: 8, encoding: "mono8", is_bigendian: 0, step: 8,
            data: &data,
        };
        let message = image.encode().unwrap();
        prop_assert!(Image::decode(&message[..cut.min(message.len() - 1)]).is_err());
    }
}

#[test]
fn big_endian_messages_are_read() {
    let mut message = vec![0, 0, 0, 0];
    message.extend_from_slice(&3i32.to_be_bytes());
    message.extend_from_slice(&7u32.to_be_bytes());
    message.extend_from_slice(&2u32.to_be_bytes());
    message.extend_from_slice(b"c\0\0\0");
    message.extend_from_slice(&5u32.to_be_bytes());
    message.extend_from_slice(b"jpeg\0\0\0\0");
    message.extend_from_slice(&2u32.to_be_bytes());
    message.extend_from_slice(&[0xff, 0xd8]);
    let image = CompressedImage::decode(&message).unwrap();
    assert_eq!((image.stamp_ns, image.frame_id, image.format), (3_000_000_007, "c", "jpeg"));
    assert_eq!(image.data, [0xff, 0xd8]);
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(
        Image::decode(&[0, 3, 0, 0, 1]).unwrap_err().to_string(),
        "message begins with [00, 03, 00, 00]: expected 00 00 or 00 01 (plain CDR, big or little-endian)"
    );
    // A length that claims 4 GiB.
    let mut message = vec![0, 1, 0, 0];
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        CompressedImage::decode(&message).unwrap_err().to_string(),
        "frame_id at byte 16 needs 4294967295 bytes, 0 are left: the message is cut off or not a \
         sensor_msgs/msg/CompressedImage"
    );
    let image = CompressedImage { stamp_ns: 0, frame_id: "a\0b", format: "", data: &[] };
    assert!(matches!(image.encode(), Err(CdrError::Unwritable { field: "frame_id", .. })));
}

#[test]
fn stamps_outside_the_message_are_clamped() {
    let image = CompressedImage { stamp_ns: i64::MAX, frame_id: "", format: "", data: &[] };
    let message = image.encode().unwrap();
    let read = CompressedImage::decode(&message).unwrap();
    assert_eq!(read.stamp_ns / 1_000_000_000, i64::from(i32::MAX));
}

/// Messages that ROS 2 itself has serialised (`tests/bags/record_cdr.py`).
macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cdr/", $name, ".cdr"))
    };
}

/// ROS 2 leaves what lies in memory where fields are aligned; we leave zeros.
fn assert_same(ours: &[u8], recorded: &[u8]) {
    assert_eq!(ours.len(), recorded.len());
    let differ: Vec<usize> = (0..ours.len()).filter(|&at| ours[at] != recorded[at]).collect();
    assert!(differ.iter().all(|&at| ours[at] == 0), "differ at {differ:?}");
}

const STAMP_NS: i64 = 1_700_000_000_123_456_789;

fn class_health(first: u64) -> ClassHealth {
    let mut count = first;
    let mut next = || {
        count += 1;
        count
    };
    ClassHealth {
        class_id: next() as u32,
        class_name: "class_name".to_owned(),
        status: next() as u8,
        reason: "reason".to_owned(),
        window_s: next() as f32 + 0.5,
        frames: next() as u32,
        detections: next() as u32,
        published: next() as u32,
        detections_needed: next() as u32,
        detection_rate: next() as f32 + 0.5,
        publish_score: next() as f32 + 0.5,
        score_mean: next() as f32 + 0.5,
        score_p10: next() as f32 + 0.5,
        score_p50: next() as f32 + 0.5,
        score_p90: next() as f32 + 0.5,
        score_histogram: std::array::from_fn(|i| i as u32),
        expected_detection_rate: next() as f32 + 0.5,
        expected_precision: next() as f32 + 0.5,
        above_threshold_share: next() as f32 + 0.5,
        score_psi: next() as f32 + 0.5,
        score_wasserstein: next() as f32 + 0.5,
        change_statistic: next() as f32 + 0.5,
        track_match_rate: next() as f32 + 0.5,
        estimated_ap: next() as f32 + 0.5,
        estimated_ap_low: next() as f32 + 0.5,
        estimated_ap_high: next() as f32 + 0.5,
        probe_retention: next() as f32 + 0.5,
        probe_corruption: "probe_corruption".to_owned(),
    }
}

fn camera_health() -> CameraHealth {
    let mut count = 0;
    let mut next = || {
        count += 1;
        count
    };
    CameraHealth {
        stamp_ns: STAMP_NS,
        frame_id: "camera".to_owned(),
        camera: "camera".to_owned(),
        model_name: "model_name".to_owned(),
        model_sha256: "model_sha256".to_owned(),
        profile_sha256: "profile_sha256".to_owned(),
        status: next() as u8,
        reason: "reason".to_owned(),
        window_s: next() as f32 + 0.5,
        frames_received: next() as u64,
        frames_processed: next() as u64,
        frames_overwritten: next() as u64,
        frames_stale: next() as u64,
        frames_rejected: next() as u64,
        input_rate: next() as f32 + 0.5,
        processing_rate: next() as f32 + 0.5,
        last_frame_age_s: next() as f32 + 0.5,
        low_score: next() as f32 + 0.5,
        injection: true,
        corruption: "corruption".to_owned(),
        image_state: next() as u8,
        image_noise: next() as f32 + 0.5,
        image_sharpness: next() as f32 + 0.5,
        image_brightness: next() as f32 + 0.5,
        image_contrast: next() as f32 + 0.5,
        image_dark_share: next() as f32 + 0.5,
        image_bright_share: next() as f32 + 0.5,
        image_blockiness: next() as f32 + 0.5,
        prediction_consistency: next() as f32 + 0.5,
        prediction_reliability: next() as f32 + 0.5,
        estimated_corruption: "estimated_corruption".to_owned(),
        estimated_severity: next() as f32 + 0.5,
        estimated_map: next() as f32 + 0.5,
        estimated_map_low: next() as f32 + 0.5,
        estimated_map_high: next() as f32 + 0.5,
        worst_class: "worst_class".to_owned(),
        classes: vec![class_health(100), class_health(101)],
    }
}

#[test]
fn health_is_written_as_ros_writes_it() {
    assert_same(&camera_health().encode().unwrap(), recorded!("camera_health"));
}

#[test]
fn images_are_read_and_written_as_ros_does() {
    let data: Vec<u8> = (0..18).collect();
    let image = Image {
        stamp_ns: STAMP_NS,
        frame_id: "camera",
        height: 2,
        width: 3,
        encoding: "rgb8",
        is_bigendian: 0,
        step: 9,
        data: &data,
    };
    assert_eq!(Image::decode(recorded!("image")).unwrap(), image);
    assert_same(&image.encode().unwrap(), recorded!("image"));
    let image = CompressedImage {
        stamp_ns: STAMP_NS,
        frame_id: "camera",
        format: "rgb8; jpeg compressed bgr8",
        data: &[0xff, 0xd8, 0xff, 0xd9],
    };
    assert_eq!(CompressedImage::decode(recorded!("compressed_image")).unwrap(), image);
    assert_same(&image.encode().unwrap(), recorded!("compressed_image"));
}

#[test]
fn detections_are_read_and_written_as_ros_does() {
    let hypothesis = |class_id: &str, score| Hypothesis { class_id: class_id.to_owned(), score };
    let entry = |number: u8, results| Detection2D {
        stamp_ns: STAMP_NS,
        frame_id: "camera".to_owned(),
        results,
        center_x_px: 10.5 + f64::from(number),
        center_y_px: 20.5,
        theta_rad: 0.125,
        size_x_px: 30.0,
        size_y_px: 40.0,
        id: format!("track {number}"),
    };
    let array = Detection2DArray {
        stamp_ns: STAMP_NS,
        frame_id: "camera".to_owned(),
        detections: vec![
            entry(0, vec![hypothesis("person", 0.75)]),
            entry(1, vec![hypothesis("person", 0.75), hypothesis("bus", 1.25)]),
        ],
    };
    let read = Detection2DArray::decode(recorded!("detections")).unwrap();
    assert_eq!(read, array);
    assert_eq!(read.detections[1].best().unwrap().class_id, "bus");
    assert_same(&array.encode().unwrap(), recorded!("detections"));
}

#[test]
fn corners_are_those_of_a_box_with_an_area() {
    let of = |x: f64, y: f64, width: f64, height: f64| {
        Detection2D {
            center_x_px: x,
            center_y_px: y,
            size_x_px: width,
            size_y_px: height,
            ..Detection2D::default()
        }
        .corners()
    };
    assert_eq!(of(30.0, 20.0, 10.0, 8.0), Some([25.0, 16.0, 35.0, 24.0]));
    assert_eq!(
        of(0.0, 0.0, 10.0, 8.0),
        Some([-5.0, -4.0, 5.0, 4.0]),
        "where the image ends is not known here"
    );
    let (nan, infinite) = (f64::NAN, f64::INFINITY);
    for [x, y, width, height] in [
        [30.0, 20.0, -10.0, 8.0],
        [30.0, 20.0, 0.0, 8.0],
        [30.0, 20.0, 10.0, 0.0],
        [nan, 20.0, 10.0, 8.0],
        [30.0, infinite, 10.0, 8.0],
        [30.0, 20.0, 10.0, nan],
        [30.0, 20.0, infinite, 8.0],
        // So far away that the box is lost in rounding.
        [1e300, 20.0, 10.0, 8.0],
    ] {
        assert_eq!(of(x, y, width, height), None, "{x} {y} {width} {height}");
    }
}
