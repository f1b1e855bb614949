use super::*;
use crate::data::dataset::{Label, LabelledImage, Layout};

fn dataset() -> Dataset {
    let label = |class: Option<usize>| Label {
        class,
        bbox: [1.0, 2.0, 11.0, 22.0],
        area: 200.0,
        is_crowd: class.is_none(),
    };
    Dataset {
        name: "d".into(),
        layout: Layout::Coco,
        classes: ["car", "tram", "dog"].map(str::to_owned).to_vec(),
        images: vec![LabelledImage {
            path: "a.png".into(),
            id: "a".into(),
            labels: vec![label(Some(0)), label(Some(1)), label(Some(1)), label(None)],
        }],
        warnings: Vec::new(),
    }
}

#[test]
fn labels_come_in_the_models_classes() {
    let classes = ["person", "car"].map(str::to_owned);
    let images = StudyImages::new(dataset(), &ClassMap::default(), &classes, Path::new("")).unwrap();
    assert_eq!(images.truths[0].iter().map(|truth| truth.class_id).collect::<Vec<_>>(), [Some(1), None]);
    assert!(images.truths[0][0].counts() && !images.truths[0][1].counts());
    let unmapped: Vec<_> =
        images.unmapped.iter().map(|class| (class.name.as_str(), class.instances)).collect();
    assert_eq!(unmapped, [("tram", 2), ("dog", 0)]);
    assert_eq!(images.support().iter().map(|class| class.instances).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn nothing_in_common_is_said() {
    let error =
        StudyImages::new(dataset(), &ClassMap::default(), &["cow".to_owned()], Path::new("")).unwrap_err();
    assert!(error.to_string().contains("car, tram, dog"), "{error}");
}
