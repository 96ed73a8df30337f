//! Derives `entity::row::Row`: how a row is read by the place of its columns, whole or in part.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, parse_macro_input};

/// Derives `Row` for the `Model` of a table: its columns are its fields, in their order.
#[proc_macro_derive(Row)]
pub fn row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let name = &input.ident;
    let Data::Struct(data) = &input.data else {
        return refused(&input);
    };
    let Fields::Named(fields) = &data.fields else {
        return refused(&input);
    };
    let fields: Vec<_> = fields.named.iter().map(|field| &field.ident).collect();
    let count = fields.len();
    quote! {
        // Columns are picked by the bits of one word.
        const _: () = ::std::assert!(#count <= 64);

        impl crate::row::Row for #name {
            fn read(
                row: &::sea_orm::QueryResult,
                picked: crate::row::Picked,
            ) -> ::std::result::Result<Self, ::sea_orm::DbErr> {
                let mut cells = crate::row::Cells::new(row, picked);
                ::std::result::Result::Ok(Self { #(#fields: cells.next()?,)* })
            }
        }
    }
    .into()
}

fn refused(input: &DeriveInput) -> TokenStream {
    syn::Error::new_spanned(input, "a row is a struct with named fields")
        .to_compile_error()
        .into()
}
