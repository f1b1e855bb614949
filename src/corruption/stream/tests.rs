use super::*;
use crate::corruption::Corruption;
use crate::corruption::context::tests::context;

fn flat(value: u8) -> Picture {
    Picture::from_rgb(40, 40, vec![value; 40 * 40 * 3]).unwrap()
}

/// What becomes of frames that are filled with their index; `None` for dropped ones.
fn play(kernel: &mut dyn Kernel, kind: Corruption, severity: f64, frames: u64) -> Vec<Option<Picture>> {
    let severity = Severity::new(severity).unwrap();
    let frame = |index| {
        let mut picture = flat(index as u8);
        let delivery = kernel.apply(&mut picture, severity, &context(kind, 7, index)).unwrap();
        (delivery == Delivery::Deliver).then_some(picture)
    };
    (0..frames).map(frame).collect()
}

fn value(picture: Option<&Picture>) -> u8 {
    picture.unwrap().data()[0]
}

#[test]
fn nothing_happens_at_severity_0() {
    let kernels: [(Corruption, Box<dyn Kernel>); 5] = [
        (Corruption::FrameFreeze, Box::new(frame_freeze())),
        (Corruption::FrameDrop, Box::new(frame_drop())),
        (Corruption::FrameDelay, Box::new(frame_delay())),
        (Corruption::BlackFrame, Box::new(black_frame())),
        (Corruption::RollingTear, Box::new(rolling_tear())),
    ];
    for (kind, mut kernel) in kernels {
        for (index, picture) in play(kernel.as_mut(), kind, 0.0, 50).iter().enumerate() {
            assert!(*picture == Some(flat(index as u8)), "{kind}");
        }
    }
}

#[test]
fn a_frozen_stream_stands_still_for_its_share_and_goes_on() {
    for (severity, share) in [(1.0, 0.05), (3.0, 0.2), (5.0, 0.5)] {
        let mut kernel = frame_freeze();
        let mut last = 0;
        let mut repeats = 0;
        for index in 0..4000_u64 {
            let own = (index % 251) as u8;
            let mut picture = flat(own);
            let context = context(Corruption::FrameFreeze, 7, index);
            let _ = kernel.apply(&mut picture, Severity::new(severity).unwrap(), &context).unwrap();
            let shown = picture.data()[0];
            assert!(shown == own || shown == last, "a frame shows itself or what was shown before");
            repeats += u32::from(shown != own);
            last = shown;
        }
        let found = f64::from(repeats) / 4000.0;
        assert!((found - share).abs() < 0.05, "{found} at {severity}");
    }
}

#[test]
fn which_frames_freeze_depends_on_their_index_alone_and_grows_with_severity() {
    let frozen = |index, severity| {
        is_frozen(Severity::new(severity).unwrap(), &context(Corruption::FrameFreeze, 7, index))
    };
    for index in 0..2000 {
        assert!(!frozen(index, 0.0));
        assert!(!frozen(index, 2.0) || frozen(index, 2.5), "{index}");
        assert!(!frozen(index, 1.0) || frozen(index, 5.0), "{index}");
    }
}

#[test]
fn a_freeze_that_sets_in_finds_the_picture_before_it() {
    let at = |index| context(Corruption::FrameFreeze, 7, index);
    let index = (30..500).find(|i| is_frozen(Severity::MAX, &at(*i))).unwrap();
    let mut kernel = frame_freeze();
    let (mut before, mut picture) = (flat(1), flat(2));
    let _ = kernel.apply(&mut before, Severity::NONE, &at(index - 1)).unwrap();
    let _ = kernel.apply(&mut picture, Severity::MAX, &at(index)).unwrap();
    assert!(picture == flat(1));
    let mut other = Picture::from_rgb(50, 40, vec![9; 50 * 40 * 3]).unwrap();
    let _ = kernel.apply(&mut other, Severity::MAX, &at(index)).unwrap();
    assert!(other.data().iter().all(|v| *v == 9), "a picture of another size is not used");
}

#[test]
fn black_frames_come_at_their_rate_and_at_level_5_always() {
    let frames = play(&mut black_frame(), Corruption::BlackFrame, 5.0, 250);
    assert!(frames.iter().all(|f| value(f.as_ref()) == 0));
    let frames = play(&mut black_frame(), Corruption::BlackFrame, 4.0, 400);
    let black = frames.iter().skip(1).filter(|f| value(f.as_ref()) == 0).count();
    assert!((100..150).contains(&black), "{black}");
}

#[test]
fn drops_come_at_their_rate_and_are_the_same_every_time() {
    let run = || play(&mut frame_drop(), Corruption::FrameDrop, 5.0, 2000);
    let lost = run().iter().filter(|f| f.is_none()).count();
    assert!((930..1070).contains(&lost), "{lost}");
    assert!(run() == run());
}

#[test]
fn a_delayed_picture_is_an_older_one() {
    let frames = play(&mut frame_delay(), Corruption::FrameDelay, 3.0, 20);
    let values: Vec<u8> = frames.iter().map(|frame| value(frame.as_ref())).collect();
    assert_eq!(values[..6], [0, 0, 0, 0, 1, 2]);
}

#[test]
fn a_torn_frame_has_the_one_before_below() {
    let frames = play(&mut rolling_tear(), Corruption::RollingTear, 5.0, 10);
    for (index, frame) in frames.iter().enumerate().skip(1) {
        let data = frame.as_ref().unwrap().data();
        let own = data.iter().take_while(|v| usize::from(**v) == index).count();
        assert!(data[own..].iter().all(|v| usize::from(*v) == index - 1));
        assert_eq!(own % (40 * 3), 0, "the seam is between rows");
    }
}

#[test]
fn a_change_of_size_empties_the_history() {
    let mut kernel = frame_delay();
    let _ = play(&mut kernel, Corruption::FrameDelay, 5.0, 5);
    let mut other = Picture::from_rgb(50, 40, vec![99; 50 * 40 * 3]).unwrap();
    let _ = kernel.apply(&mut other, Severity::MAX, &context(Corruption::FrameDelay, 7, 5)).unwrap();
    assert!(other.data().iter().all(|v| *v == 99));
}
