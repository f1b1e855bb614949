use std::fs;

use super::*;

/// A folder with files, and images of 64 × 48 pixels where a name ends in .png.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let is_image = path.extension().is_some_and(|suffix| suffix == "png");
        fs::write(path, if is_image { png() } else { text.as_bytes().to_vec() }).unwrap();
    }
    folder
}

fn png() -> Vec<u8> {
    let mut data = Vec::new();
    let mut encoder = png::Encoder::new(&mut data, 64, 48);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[90; 64 * 48 * 3]).unwrap();
    data
}

fn open(folder: &tempfile::TempDir, name: &str) -> Result<Dataset, String> {
    Dataset::open(&folder.path().join(name), None).map_err(|error| error.to_string())
}

#[test]
fn yolo_folders_are_read() {
    let files = [
        ("images/b.png", ""),
        ("images/a.png", ""),
        ("labels/a.txt", "1 0.5 0.5 0.25 0.5\n\n0 0.5 0.5 0 0.5\n"),
        ("classes.txt", "car\nperson\n"),
    ];
    let dataset = open(&folder(&files), "").unwrap();
    assert_eq!((dataset.layout, dataset.classes.len(), dataset.images.len()), (Layout::Yolo, 2, 2));
    let [a, b] = &dataset.images[..] else { panic!() };
    assert_eq!((a.id.as_str(), b.id.as_str(), b.labels.len()), ("a", "b", 0));
    assert_eq!(a.labels, [Label::new(Some(1), [24.0, 12.0, 40.0, 36.0])]);
    assert!(dataset.warnings[0].contains("a.txt:3"), "{:?}", dataset.warnings);
}

#[test]
fn kitti_folders_are_read_and_what_does_not_matter_does_not_count() {
    let line = "Car 0.00 0 -1.5 1.0 2.0 30.5 40.0 1.6 1.8 4.3 1 1 1 0\nDontCare -1 -1 -10 3 3 9 9 -1 -1 -1 -1 -1 -1 -1\n";
    let dataset = open(&folder(&[("image_2/0.png", ""), ("label_2/0.txt", line)]), "").unwrap();
    assert_eq!((dataset.layout, dataset.classes.as_slice()), (Layout::Kitti, &["Car".to_owned()][..]));
    let labels = &dataset.images[0].labels;
    assert_eq!(labels[0].bbox, [1.0, 2.0, 30.5, 40.0]);
    assert!(labels[1].class.is_none() && labels[1].is_crowd && !labels[0].is_crowd);
}

#[test]
fn coco_files_are_read() {
    let json = r#"{"images": [{"id": 7, "file_name": "x.png"}, {"id": 3, "file_name": "y.png"}],
        "categories": [{"id": 9, "name": "car"}, {"id": 4, "name": "bus"}],
        "annotations": [{"image_id": 3, "category_id": 4, "bbox": [1, 2, 10, 20], "area": 50.5, "iscrowd": 1},
                        {"image_id": 3, "category_id": 9, "bbox": [1, 2, 10, 20]}]}"#;
    let dataset =
        open(&folder(&[("images/x.png", ""), ("y.png", ""), ("labels.json", json)]), "labels.json").unwrap();
    assert_eq!(
        (dataset.layout, dataset.classes.as_slice()),
        (Layout::Coco, &["car".to_owned(), "bus".to_owned()][..])
    );
    assert_eq!(dataset.images[1].id, "3");
    let labels = &dataset.images[1].labels;
    assert_eq!((labels[0].class, labels[0].area, labels[0].is_crowd), (Some(1), 50.5, true));
    assert_eq!((labels[1].class, labels[1].area, labels[1].bbox), (Some(0), 200.0, [1.0, 2.0, 11.0, 22.0]));
}

#[test]
fn bdd_files_are_read() {
    let json = r#"[{"name": "a.png", "labels": [
            {"category": "rider", "box2d": {"x1": 1, "y1": 2, "x2": 5, "y2": 9}},
            {"category": "lane/crosswalk", "poly2d": []},
            {"category": "car", "box2d": {"x1": 1, "y1": 2, "x2": 5, "y2": 9}, "attributes": {"crowd": true}}]},
        {"name": "b.png", "labels": null}]"#;
    let dataset = open(&folder(&[("a.png", ""), ("b.png", ""), ("val.json", json)]), "val.json").unwrap();
    assert_eq!((dataset.layout, dataset.classes.len(), dataset.images.len()), (Layout::Bdd100k, 2, 2));
    assert_eq!(dataset.images[0].labels.len(), 2);
    assert!(dataset.images[0].labels[1].is_crowd);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let yolo = |labels: &str| {
        let files = [("images/a.png", ""), ("labels/a.txt", labels), ("classes.txt", "car\n")];
        open(&folder(&files), "").unwrap_err()
    };
    for (labels, expected) in [
        ("1 0.5 0.5 0.1 0.1", "a.txt:1: expected a class below 1"),
        ("car 0.5 0.5 0.1 0.1", "a class number first"),
        ("0 0.5 0.5 0.1", "five fields"),
        ("0 0.5 0.5 0.1 x", "in shares of the image"),
        ("\n0 120 0.5 0.1 0.1", "a.txt:2"),
        ("0 NaN 0.5 0.1 0.1", "shares of the image"),
    ] {
        let message = yolo(labels);
        assert!(message.contains(expected), "{labels}: {message}");
    }
    let json = |text: &str| open(&folder(&[("a.png", ""), ("l.json", text)]), "l.json").unwrap_err();
    assert!(json("{").contains("no JSON"));
    assert!(json("{}").contains("no layout of labels that is known"));
    assert!(json(r#"{"annotations": 3}"#).contains("expected COCO's images"));
    assert!(json(r#"[{"labels": []}]"#).contains("missing field `name`"));
    assert!(json(r#"[{"name": "z.png"}]"#).contains("--images"));
    let coco = |annotation: &str| {
        json(&format!(
            r#"{{"images": [{{"id": 1, "file_name": "a.png"}}], "categories": [{{"id": 1, "name": "car"}}],
                "annotations": [{annotation}]}}"#
        ))
    };
    let message = coco(r#"{"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4]}"#);
    assert!(message.contains("annotations[0]: no image has the id 2"), "{message}");
    assert!(
        coco(r#"{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}"#)
            .contains("no category has the id 2")
    );
    assert!(coco(r#"{"image_id": 1, "category_id": 1, "bbox": [1, 2, -3, 4]}"#).contains("no box"));
    assert!(coco(r#"{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3]}"#).contains("l.json"));
    let kitti =
        |line: &str| open(&folder(&[("image_2/0.png", ""), ("label_2/0.txt", line)]), "").unwrap_err();
    assert!(kitti("Car 0 0").contains("0.txt:1"));
    assert!(kitti("Car 0 0 0 a b c d").contains("in pixels as fields 5 to 8"));
    assert!(
        open(&folder(&[("image_2/0.png", ""), ("label_2/1.txt", "")]), "").unwrap_err().contains("0.txt")
    );
    assert!(open(&folder(&[("x.txt", "")]), "").unwrap_err().contains("no layout"));
    assert!(open(&folder(&[("x.txt", "")]), "nowhere").unwrap_err().contains("nowhere"));
    let half = folder(&[
        ("labels/a.txt", "0 0.5 0.5 0.1 0.1"),
        ("classes.txt", "car\n"),
        ("images/a.jpg", "no image"),
    ]);
    assert!(open(&half, "").unwrap_err().contains("a.jpg: no image"));
    let none = folder(&[("labels/a.txt", ""), ("images/a.txt", ""), ("classes.txt", "car\n")]);
    assert!(open(&none, "").unwrap_err().contains("no labelled image"));
}

#[test]
fn classes_are_mapped_and_what_is_not_is_listed() {
    let dataset = Dataset {
        name: "d".into(),
        layout: Layout::Coco,
        classes: ["Traffic_Light", "pedestrian", "trailer", "tram"].map(str::to_owned).to_vec(),
        images: Vec::new(),
        warnings: Vec::new(),
    };
    let model = ["person", "traffic light"].map(str::to_owned);
    let map = |text: &str| toml::from_str::<ClassMap>(text).unwrap();
    let path = Path::new("map.toml");
    let mapped = map("ignore = [\"trailer\"]\n[classes]\npedestrian = \"person\"")
        .apply(&dataset, &model, path)
        .unwrap();
    assert_eq!(mapped.classes, [Mapping::To(1), Mapping::To(0), Mapping::Ignored, Mapping::Unmapped]);
    let wrong = |text: &str| map(text).apply(&dataset, &model, path).unwrap_err().to_string();
    assert!(wrong("[classes]\nbike = \"person\"").contains("the dataset has no class 'bike'"));
    assert!(wrong("[classes]\ntram = \"persn\"").contains("did you mean 'person'?"));
    assert!(toml::from_str::<ClassMap>("clases = {}").unwrap_err().to_string().contains("clases"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n]{0,200}", layout in 0..3) {
        let files = match layout {
            0 => vec![("images/a.png", ""), ("labels/a.txt", text.as_str()), ("classes.txt", "car\n")],
            1 => vec![("image_2/a.png", ""), ("label_2/a.txt", text.as_str())],
            _ => vec![("a.png", ""), ("l.json", text.as_str())],
        };
        let _ = open(&folder(&files), if layout == 2 { "l.json" } else { "" });
    }
}

#[test]
fn a_box_is_inside_partly_or_outside() {
    let of = |bbox| Extent::of(bbox, [640, 480]);
    assert_eq!(of([0.0, 0.0, 640.0, 480.0]), Extent::Inside);
    assert_eq!(of([-0.5, 0.0, 10.0, 10.0]), Extent::Partly);
    assert_eq!(of([600.0, 470.0, 641.0, 480.0]), Extent::Partly);
    for outside in [
        [-20.0, 0.0, 0.0, 10.0],
        [0.0, -20.0, 10.0, 0.0],
        [640.0, 0.0, 650.0, 10.0],
        [0.0, 480.0, 10.0, 490.0],
    ] {
        assert_eq!(of(outside), Extent::Outside, "{outside:?}");
    }
}

#[test]
fn names_are_the_same_whatever_their_case_and_spaces() {
    let model = ["person", "traffic light"].map(str::to_owned);
    assert_eq!(class_named(&model, "Traffic_Light"), Some(1));
    assert_eq!(class_named(&model, "traffic-light"), Some(1));
    assert_eq!(class_named(&model, "trafficlight"), None);
    assert_eq!(class_named(&model, ""), None);
}
