//! The image pipeline of the program `resize`: encoded bytes in, resized and encoded bytes out.

pub mod pipeline;
