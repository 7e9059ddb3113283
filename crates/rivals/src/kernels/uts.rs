//! Unbalanced Tree Search (Olivier and others, 2006): a tree in which only hashing tells how many children a
//! node has, so it cannot be divided beforehand. Counts its nodes and leaves.
//!
//! A node is 20 bytes: SHA-1 of its parent's, followed by its number among the siblings. Its last 31 bits are
//! a random number.

use std::ops::Range;

use sha1::{Digest, Sha1};

use crate::fork::ForkJoin;

/// What no node exceeds in children, but for the root of a binomial tree.
const MOST_CHILDREN: u32 = 100;

/// How many children a node has.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Geometrically distributed about a mean that is the same down to a depth, below which there are none.
    Geometric {
        /// The mean.
        mean: f64,
        /// The depth.
        depth: u32,
    },
    /// Many below the root; elsewhere with some probability a fixed number, else none.
    Binomial {
        /// Below the root.
        root: u32,
        /// Below other nodes, if any.
        children: u32,
        /// The probability.
        probability: f64,
    },
}

/// A tree: everything else follows.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    /// Its shape.
    pub shape: Shape,
    /// The root's number.
    pub seed: u32,
}

/// What a search counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// All nodes.
    pub nodes: u64,
    /// Those without children.
    pub leaves: u64,
}

/// The sample tree T1 of the benchmark: wide and shallow.
pub const T1: Tree = Tree { shape: Shape::Geometric { mean: 4.0, depth: 10 }, seed: 19 };

/// What its authors found in it.
pub const T1_SIZE: Size = Size { nodes: 4_130_071, leaves: 3_305_118 };

/// The sample tree T3 of the benchmark: narrow and deep.
pub const T3: Tree =
    Tree { shape: Shape::Binomial { root: 2000, children: 8, probability: 0.124_875 }, seed: 42 };

/// What its authors found in it.
pub const T3_SIZE: Size = Size { nodes: 4_112_897, leaves: 3_599_034 };

/// T1, cut off at a depth of 6, for short runs.
pub const SMALL: Tree = Tree { shape: Shape::Geometric { mean: 4.0, depth: 6 }, seed: 19 };

/// A node, without its depth.
type State = [u8; 20];

fn root(seed: u32) -> State {
    let mut start = [0; 20];
    start[16..].copy_from_slice(&seed.to_be_bytes());
    Sha1::digest(start).into()
}

fn child(parent: &State, number: u32) -> State {
    let mut text = [0; 24];
    text[..20].copy_from_slice(parent);
    text[20..].copy_from_slice(&number.to_be_bytes());
    Sha1::digest(text).into()
}

/// The node's random fraction, from 0 to below 1.
fn fraction(state: &State) -> f64 {
    let bits = u32::from_be_bytes([state[16], state[17], state[18], state[19]]) & 0x7fff_ffff;
    f64::from(bits) / f64::from(1u32 << 31)
}

impl Shape {
    fn children(self, state: &State, depth: u32) -> u32 {
        let many = match self {
            Self::Geometric { depth: bottom, .. } if depth >= bottom => 0,
            Self::Geometric { mean, .. } => {
                let p = 1.0 / (1.0 + mean);
                ((1.0 - fraction(state)).ln() / (1.0 - p).ln()).floor() as u32
            }
            Self::Binomial { root, .. } if depth == 0 => return root,
            Self::Binomial { children, probability, .. } => {
                if fraction(state) < probability {
                    children
                } else {
                    0
                }
            }
        };
        many.min(MOST_CHILDREN)
    }
}

/// Searches the whole tree.
pub fn search<F: ForkJoin>(context: F::Context<'_>, tree: Tree) -> Size {
    visit::<F>(context, tree.shape, &root(tree.seed), 0)
}

fn visit<F: ForkJoin>(context: F::Context<'_>, shape: Shape, state: &State, depth: u32) -> Size {
    let children = shape.children(state, depth);
    if children == 0 {
        return Size { nodes: 1, leaves: 1 };
    }
    let below = visit_children::<F>(context, shape, state, depth + 1, 0..children);
    Size { nodes: below.nodes + 1, ..below }
}

/// Visits a range of the children of a node, by halves.
fn visit_children<F: ForkJoin>(
    context: F::Context<'_>,
    shape: Shape,
    parent: &State,
    depth: u32,
    numbers: Range<u32>,
) -> Size {
    if numbers.len() == 1 {
        return visit::<F>(context, shape, &child(parent, numbers.start), depth);
    }
    let middle = numbers.start + (numbers.end - numbers.start) / 2;
    let (low, high) = (numbers.start..middle, middle..numbers.end);
    let (low, high) = F::join(
        context,
        move |context| visit_children::<F>(context, shape, parent, depth, low),
        move |context| visit_children::<F>(context, shape, parent, depth, high),
    );
    Size { nodes: low.nodes + high.nodes, leaves: low.leaves + high.leaves }
}
