//! `clientele schema`: the GraphQL schema as text.

use super::say;
use crate::error::Result;

pub(super) fn run() -> Result<()> {
    say(crate::graphql::schema().sdl().trim_end())
}
