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
fn a_frozen_stream_stands_still_and_goes_on() {
    let frames = play(&mut frame_freeze(), Corruption::FrameFreeze, 3.0, 200);
    let repeats = (1..200).filter(|i| value(frames[*i].as_ref()) == value(frames[i - 1].as_ref())).count();
    assert!((30..150).contains(&repeats), "{repeats}");
    assert!(
        frames
            .iter()
            .enumerate()
            .all(|(i, f)| usize::from(value(f.as_ref())) <= i && usize::from(value(f.as_ref())) + 15 > i)
    );
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
    let values: Vec<u8> = frames.iter().map(|f| value(f.as_ref())).collect();
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
