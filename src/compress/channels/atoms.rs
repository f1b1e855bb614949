//! What is removed together: a union-find over the indices of all channel axes.

/// One index of an axis, or several that have to go together.
pub(super) type Atom = usize;

/// Which atoms belong together, and which have to stay.
#[derive(Debug, Clone, Default)]
pub(super) struct Atoms {
    parents: Vec<Atom>,
    sizes: Vec<usize>,
    /// By root: the number of the reason why it has to stay.
    frozen: Vec<Option<usize>>,
    reasons: Vec<String>,
}

impl Atoms {
    /// New atoms, each for itself.
    pub(super) fn fresh(&mut self, count: usize) -> Vec<Atom> {
        let first = self.parents.len();
        let made: Vec<Atom> = (first..first + count).collect();
        self.parents.extend(&made);
        self.sizes.resize(first + count, 1);
        self.frozen.resize(first + count, None);
        made
    }

    /// What stands for all atoms that an atom belongs with.
    pub(super) fn root(&self, mut atom: Atom) -> Atom {
        // trees are no deeper than the logarithm of their size
        while let Some(parent) = self.parents.get(atom).copied().filter(|parent| *parent != atom) {
            atom = parent;
        }
        atom
    }

    /// From here on the two go together.
    pub(super) fn unite(&mut self, a: Atom, b: Atom) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let size = |atom: Atom| self.sizes.get(atom).copied().unwrap_or(0);
        let (large, small) = if size(a) >= size(b) { (a, b) } else { (b, a) };
        let total = size(a) + size(b);
        let reasons = [large, small].map(|atom| self.frozen.get(atom).copied().flatten());
        if let (Some(parent), Some(size), Some(frozen)) =
            (self.parents.get_mut(small), self.sizes.get_mut(large), self.frozen.get_mut(large))
        {
            *parent = large;
            *size = total;
            *frozen = reasons[0].or(reasons[1]);
        }
    }

    /// Unites index by index.
    pub(super) fn unite_all(&mut self, a: &[Atom], b: &[Atom]) {
        for (a, b) in a.iter().zip(b) {
            self.unite(*a, *b);
        }
    }

    /// These have to stay; the first reason that is given is kept.
    pub(super) fn freeze(&mut self, atoms: &[Atom], reason: &str) {
        let known = self.reasons.iter().position(|known| known == reason);
        let number = known.unwrap_or_else(|| {
            self.reasons.push(reason.to_owned());
            self.reasons.len() - 1
        });
        for atom in atoms {
            let root = self.root(*atom);
            if let Some(frozen) = self.frozen.get_mut(root) {
                frozen.get_or_insert(number);
            }
        }
    }

    /// Why an atom has to stay, if it has to.
    pub(super) fn reason(&self, atom: Atom) -> Option<&str> {
        let number = self.frozen.get(self.root(atom)).copied().flatten()?;
        self.reasons.get(number).map(String::as_str)
    }
}
