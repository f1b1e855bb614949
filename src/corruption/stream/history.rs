use std::collections::VecDeque;

use crate::corruption::Picture;

/// The last pictures of a stream, newest first. Their buffers are reused.
#[derive(Debug, Default)]
pub(super) struct History {
    pictures: VecDeque<Picture>,
}

impl History {
    /// Adds a copy of `picture`, and forgets what is beyond `length` pictures or of another size.
    pub(super) fn keep(&mut self, picture: &Picture, length: usize) {
        let same = |other: &Picture| (other.width(), other.height()) == (picture.width(), picture.height());
        self.pictures.retain(same);
        let mut oldest = if self.pictures.len() >= length { self.pictures.pop_back() } else { None };
        self.pictures.truncate(length.saturating_sub(1));
        let copy = match &mut oldest {
            Some(reused) => {
                reused.data_mut().copy_from_slice(picture.data());
                oldest
            }
            None => Some(picture.clone()),
        };
        self.pictures.extend(copy);
        self.pictures.rotate_right(1);
    }

    /// The `n`th newest picture (1 is the newest), or the oldest there is, if it is of the size of `like`.
    pub(super) fn get(&self, like: &Picture, n: usize) -> Option<&Picture> {
        let found = self.pictures.get(n.checked_sub(1)?).or(self.pictures.back())?;
        ((found.width(), found.height()) == (like.width(), like.height())).then_some(found)
    }

    /// Puts the `n`th newest picture in the place of `picture`; false if there is none of its size.
    pub(super) fn replace(&self, picture: &mut Picture, n: usize) -> bool {
        let Some(found) = self.get(picture, n) else { return false };
        picture.data_mut().copy_from_slice(found.data());
        true
    }
}
