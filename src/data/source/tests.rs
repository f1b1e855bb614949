use super::*;

#[test]
fn folders_give_their_images_by_name_and_what_cannot_be_read_is_an_item() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.png", "a.JPG", "notes.txt"] {
        std::fs::write(folder.path().join(name), [1, 2, 3]).unwrap();
    }
    std::fs::create_dir(folder.path().join("c.png")).unwrap();
    let options = SourceOptions { rate_hz: Some(10.0), ..SourceOptions::default() };
    let source = open(folder.path(), &options).unwrap();
    assert_eq!(source.frame_count(), Some(3));
    let frames: Vec<_> = source.collect();
    let names: Vec<_> = frames.iter().flatten().map(|frame| (frame.name.as_str(), frame.stamp_ns)).collect();
    assert_eq!(names, [("a.JPG", 0), ("b.png", 100_000_000)]);
    assert!(frames[2].as_ref().unwrap_err().to_string().contains("c.png"));
}

#[test]
fn what_is_no_source_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| open(path, &SourceOptions::default()).err().unwrap().to_string();
    assert!(message(folder.path()).contains("holds no image"));
    assert!(message(Path::new("/nowhere")).contains("does not exist"));
    let file = folder.path().join("noise.mp4");
    std::fs::write(&file, [7; 300]).unwrap();
    assert!(message(&file).contains("nor a video"));
}
