//! The template, driven by a model of its NIC.
#![allow(missing_docs)]

mod conformance;
mod model;
mod vnet;
