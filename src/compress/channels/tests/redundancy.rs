use super::super::{Importance, Options, Scales, Spread, prune};
use super::net::Net;
use crate::compress::CalibrationImages;
use crate::compress::graph::proto::TensorProto;
use crate::compress::testing::{input, pictures};

/// Channels 2 and 5 are the same but for a factor, and the largest of all; the others are each their own.
#[test]
fn of_twins_one_goes_and_the_other_stays() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 4);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let last = net.conv("last", &first, [4, 8, 1], 1);
    let weights = net.graph.initializer.iter_mut().find(|tensor| tensor.name() == "first.weight").unwrap();
    let mut values = weights.f32_values().unwrap();
    for place in 0..27 {
        let twin = values[2 * 27 + place] * 3.0;
        values[2 * 27 + place] = twin;
        values[5 * 27 + place] = twin * 0.9;
    }
    *weights = TensorProto::of_f32("first.weight", &[8, 3, 3, 3], &values);
    let model = net.model(&[&last]);
    let kept = |importance, rate| {
        let (spread, multiple, exclude) = (Spread::Uniform, 1, Vec::new());
        let options = Options { rate, importance, spread, multiple, exclude };
        let (_, kept, report) =
            prune(&model, &input(), Some(&images), &Scales::new(), &options, &mut |_| ()).unwrap();
        (kept["first"].clone(), report)
    };
    // by what they carry the twins matter most, and both stay
    let (left, _) = kept(Importance::Activation, 0.125);
    assert!(left.contains(&2) && left.contains(&5), "{left:?}");
    // by what is missed one of them matters least
    let (left, report) = kept(Importance::Redundancy, 0.125);
    assert!(left.contains(&2) != left.contains(&5) && left.len() == 7, "{left:?}");
    let share = report.groups[0].importance_removed;
    assert!(share > 0.0 && share < 0.05, "{share}");
    // and when the other would be the last of the pair, it is no longer the least
    let (left, _) = kept(Importance::Redundancy, 0.5);
    assert!(left.contains(&2) != left.contains(&5) && left.len() == 4, "{left:?}");
}

#[test]
fn it_is_measured() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let last = net.conv("last", &first, [4, 8, 1], 1);
    let (importance, spread) = (Importance::Redundancy, Spread::Uniform);
    let options = Options { rate: 0.5, importance, spread, multiple: 1, exclude: Vec::new() };
    let done = prune(&net.model(&[&last]), &input(), None, &Scales::new(), &options, &mut |_| ());
    let message = done.unwrap_err().to_string();
    assert!(message.contains("`redundancy` is measured on calibration images"), "{message}");
}
