//! Filters of one field each, and how they become conditions. All parts that are given must hold.

use async_graphql::InputObject;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Func, LikeExpr};
use sea_orm::{ColumnTrait, IntoSimpleExpr, Value};

use super::scalars::{Currency, Date, DateTime, Decimal};
use crate::db::like;
use crate::domain::{money, text};
use crate::error::{Error, Result};
use crate::say;

/// The most parts a filter may have, counted through all its `and`, `or` and `not`.
pub const MAX_PARTS: usize = 100;

/// A filter that is put together from others of its kind.
pub trait FilterTree: Sized {
    /// The filters in `and` and `or`, and the one in `not`.
    fn branches(&self) -> (Option<&[Self]>, Option<&[Self]>, Option<&Self>);

    /// Refuses a filter of too many parts: each becomes a condition, and the database nests them.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    fn check_size(&self) -> Result<()> {
        let mut seen = 0_usize;
        let mut open = vec![self];
        while let Some(filter) = open.pop() {
            seen = seen.saturating_add(1);
            let (and, or, not) = filter.branches();
            let inner = and.into_iter().chain(or).flatten().chain(not);
            open.extend(inner);
            if seen.saturating_add(open.len()) > MAX_PARTS {
                return Err(Error::bad_input(
                    "",
                    say!(
                        "a filter has at most {most} parts in `and`, `or` and `not`",
                        most = MAX_PARTS
                    ),
                )
                .with_rule("FILTER_TOO_LARGE"));
            }
        }
        Ok(())
    }

    /// `all`, and what the filters in `and`, `or` and `not` ask for. An error names its place among them.
    ///
    /// # Errors
    /// Those of `condition`.
    fn and_branches(
        &self,
        mut all: Condition,
        condition: impl Fn(&Self) -> Result<Condition>,
    ) -> Result<Condition> {
        let part = |name: &str, index: usize, part: &Self| {
            condition(part).map_err(|error| error.under(&format!("{name}.{index}")))
        };
        let (and, or, not) = self.branches();
        for (index, filter) in and.into_iter().flatten().enumerate() {
            all = all.add(part("and", index, filter)?);
        }
        if let Some(filters) = or {
            let mut any = Condition::any();
            for (index, filter) in filters.iter().enumerate() {
                any = any.add(part("or", index, filter)?);
            }
            all = all.add(any);
        }
        if let Some(filter) = not {
            let condition = condition(filter).map_err(|error| error.under("not"))?;
            all = all.add(condition.not());
        }
        Ok(all)
    }
}

/// Lets a filter with the fields `and`, `or` and `not` be counted.
macro_rules! filter_tree {
    ($filter:ty) => {
        impl $crate::graphql::filters::FilterTree for $filter {
            fn branches(&self) -> (Option<&[Self]>, Option<&[Self]>, Option<&Self>) {
                (self.and.as_deref(), self.or.as_deref(), self.not.as_deref())
            }
        }
    };
}
pub(crate) use filter_tree;

/// The longest text a filter compares with.
const MAX_TEXT: usize = 200;

/// Refuses a text that is too long to be found.
fn check_text(field: &str, part: &str, text: Option<&str>) -> Result<()> {
    let text = text.unwrap_or_default();
    if text.len() <= MAX_TEXT * 4 && text.chars().count() <= MAX_TEXT {
        return Ok(());
    }
    Err(Error::bad_input(
        format!("{field}.{part}"),
        say!("a text here has at most {most} characters", most = MAX_TEXT),
    ))
}

/// The longest list an `in` filter takes.
pub const MAX_IN: usize = 200;

/// Refuses an `in` list that is too long.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn check_list<T>(field: &str, list: &[T]) -> Result<()> {
    if list.len() <= MAX_IN {
        return Ok(());
    }
    Err(Error::bad_input(
        format!("{field}.in"),
        say!(
            "a list here holds at most {most} values, not {count}",
            most = MAX_IN,
            count = list.len()
        ),
    ))
}

/// A filter on a text. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct StringFilter {
    /// Equal to this, letter by letter.
    pub eq: Option<String>,
    /// Equal to one of these (at most 200).
    #[graphql(name = "in")]
    pub any_of: Option<Vec<String>>,
    /// Contains this, whatever the case.
    pub contains: Option<String>,
    /// Starts with this, whatever the case.
    pub starts_with: Option<String>,
    /// Whether there is no value.
    pub is_null: Option<bool>,
}

impl StringFilter {
    /// The condition on `column`; `contains` and `startsWith` look at `folded`, the column of the same text
    /// in lower case without accents.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a list that is too long.
    pub fn condition<C: ColumnTrait>(
        &self,
        field: &str,
        column: C,
        folded: C,
    ) -> Result<Condition> {
        let Self {
            eq,
            any_of,
            contains,
            starts_with,
            is_null,
        } = self;
        check_text(field, "eq", eq.as_deref())?;
        check_text(field, "contains", contains.as_deref())?;
        check_text(field, "startsWith", starts_with.as_deref())?;
        for text in any_of.iter().flatten() {
            check_text(field, "in", Some(text))?;
        }
        let mut condition = Condition::all();
        if let Some(value) = eq {
            condition = condition.add(column.eq(value.as_str()));
        }
        if let Some(list) = any_of {
            check_list(field, list)?;
            condition = condition.add(column.is_in(list.iter().map(String::as_str)));
        }
        if let Some(part) = contains {
            let pattern = text::like_pattern(&text::name_sort(part));
            condition = condition.add(like(folded, pattern));
        }
        if let Some(part) = starts_with {
            let pattern = text::like_pattern(&text::name_sort(part));
            let pattern = pattern.strip_prefix('%').unwrap_or(&pattern).to_owned();
            condition = condition.add(like(folded, pattern));
        }
        if let Some(is_null) = is_null {
            condition = condition.add(null(column, *is_null));
        }
        Ok(condition)
    }
}

impl StringFilter {
    /// The condition on `column`, a code such as an article number, which no folded column stands beside:
    /// `contains` and `startsWith` take A to Z for a to z.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a list that is too long.
    pub fn code_condition<C: ColumnTrait>(&self, field: &str, column: C) -> Result<Condition> {
        let Self {
            eq,
            any_of,
            contains,
            starts_with,
            is_null,
        } = self;
        check_text(field, "contains", contains.as_deref())?;
        check_text(field, "startsWith", starts_with.as_deref())?;
        let exact = Self {
            eq: eq.clone(),
            any_of: any_of.clone(),
            contains: None,
            starts_with: None,
            is_null: *is_null,
        };
        let like = |pattern: &str| {
            Func::lower(column.into_simple_expr()).like(LikeExpr::new(pattern).escape('\\'))
        };
        let pattern = |part: &String| text::like_pattern(&part.to_ascii_lowercase());
        Ok(exact
            .condition(field, column, column)?
            .add_option(contains.as_ref().map(|part| like(&pattern(part))))
            .add_option(starts_with.as_ref().map(|part| {
                let pattern = pattern(part);
                like(pattern.strip_prefix('%').unwrap_or(&pattern))
            })))
    }
}

/// The condition that `column` is, or is not, NULL.
pub fn null<C: ColumnTrait>(column: C, is_null: bool) -> Expr {
    if is_null {
        column.is_null()
    } else {
        column.is_not_null()
    }
}

fn range<T: Into<Value>>(
    expr: &Expr,
    eq: Option<T>,
    lt: Option<T>,
    lte: Option<T>,
    gt: Option<T>,
    gte: Option<T>,
) -> Condition {
    Condition::all()
        .add_option(eq.map(|value| expr.clone().eq(value.into())))
        .add_option(lt.map(|value| expr.clone().lt(value.into())))
        .add_option(lte.map(|value| expr.clone().lte(value.into())))
        .add_option(gt.map(|value| expr.clone().gt(value.into())))
        .add_option(gte.map(|value| expr.clone().gte(value.into())))
}

/// A filter on a whole number. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct IntFilter {
    /// Equal to this.
    pub eq: Option<i32>,
    /// Less than this.
    pub lt: Option<i32>,
    /// This or less.
    pub lte: Option<i32>,
    /// More than this.
    pub gt: Option<i32>,
    /// This or more.
    pub gte: Option<i32>,
    /// Whether there is no value.
    pub is_null: Option<bool>,
}

impl IntFilter {
    /// The condition on `expr`, a whole number of 64 bits.
    pub fn condition(&self, expr: &Expr) -> Condition {
        let Self {
            eq,
            lt,
            lte,
            gt,
            gte,
            is_null,
        } = self;
        let wide = |bound: &Option<i32>| bound.map(i64::from);
        range(expr, wide(eq), wide(lt), wide(lte), wide(gt), wide(gte))
            .add_option(is_null.map(|is_null| expr_null(expr, is_null)))
    }
}

/// A filter on a day. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DateFilter {
    /// This day.
    pub eq: Option<Date>,
    /// Before this day.
    pub lt: Option<Date>,
    /// This day or before.
    pub lte: Option<Date>,
    /// After this day.
    pub gt: Option<Date>,
    /// This day or after.
    pub gte: Option<Date>,
    /// Whether there is no value.
    pub is_null: Option<bool>,
}

impl DateFilter {
    /// The condition on `expr`, a day.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when the range ends before it starts.
    pub fn condition(&self, field: &str, expr: &Expr) -> Result<Condition> {
        let Self {
            eq,
            lt,
            lte,
            gt,
            gte,
            is_null,
        } = self;
        let from = gte.or(*gt);
        let to = lte.or(*lt);
        if let (Some(from), Some(to)) = (from, to)
            && to.0 < from.0
        {
            return Err(ends_before_start(field));
        }
        let day = |bound: &Option<Date>| bound.map(|day| day.0);
        Ok(range(expr, day(eq), day(lt), day(lte), day(gt), day(gte))
            .add_option(is_null.map(|is_null| expr_null(expr, is_null))))
    }
}

/// A filter on an instant. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DateTimeFilter {
    /// Before this instant.
    pub lt: Option<DateTime>,
    /// This instant or before.
    pub lte: Option<DateTime>,
    /// After this instant.
    pub gt: Option<DateTime>,
    /// This instant or after.
    pub gte: Option<DateTime>,
    /// Whether there is no value.
    pub is_null: Option<bool>,
}

impl DateTimeFilter {
    /// The condition on `expr`, an instant.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when the range ends before it starts.
    pub fn condition(&self, field: &str, expr: &Expr) -> Result<Condition> {
        let Self {
            lt,
            lte,
            gt,
            gte,
            is_null,
        } = self;
        if let (Some(from), Some(to)) = (gte.or(*gt), lte.or(*lt))
            && to.0 < from.0
        {
            return Err(ends_before_start(field));
        }
        let instant = |bound: &Option<DateTime>| bound.map(|instant| instant.0);
        Ok(range(
            expr,
            None,
            instant(lt),
            instant(lte),
            instant(gt),
            instant(gte),
        )
        .add_option(is_null.map(|is_null| expr_null(expr, is_null))))
    }
}

fn ends_before_start(field: &str) -> Error {
    Error::bad_input(field, say!("the range ends before it starts"))
}

fn expr_null(expr: &Expr, is_null: bool) -> Expr {
    if is_null {
        expr.clone().is_null()
    } else {
        expr.clone().is_not_null()
    }
}

/// A filter on an amount of money. Only amounts in `currency` match. All parts that are given must hold.
#[derive(Clone, Debug, InputObject)]
pub struct MoneyFilter {
    /// The currency of the bounds; rows in other currencies do not match.
    pub currency: Currency,
    /// Equal to this.
    pub eq: Option<Decimal>,
    /// Less than this.
    pub lt: Option<Decimal>,
    /// This or less.
    pub lte: Option<Decimal>,
    /// More than this.
    pub gt: Option<Decimal>,
    /// This or more.
    pub gte: Option<Decimal>,
}

impl MoneyFilter {
    /// The condition on `amount`, minor units of the currency in `currency`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a bound that is not an amount of the currency.
    pub fn condition(&self, field: &str, amount: &Expr, currency: &Expr) -> Result<Condition> {
        let Self {
            currency: wanted,
            eq,
            lt,
            lte,
            gt,
            gte,
        } = self;
        let minor = |name: &str, bound: &Option<Decimal>| {
            bound
                .as_ref()
                .map(|bound| {
                    money::parse_minor(&bound.0, wanted.0)
                        .map_err(|error| error.field(format!("{field}.{name}")))
                })
                .transpose()
        };
        Ok(range(
            amount,
            minor("eq", eq)?,
            minor("lt", lt)?,
            minor("lte", lte)?,
            minor("gt", gt)?,
            minor("gte", gte)?,
        )
        .add(currency.clone().eq(wanted.0.as_str())))
    }
}

/// Declares a filter on a closed list or on an id: `eq`, `in`, `isNull`.
macro_rules! choice_filter {
    ($(#[$doc:meta])+ $name:ident, $value:ty) => {
        $(#[$doc])+
        #[derive(Clone, Debug, Default, async_graphql::InputObject)]
        pub struct $name {
            /// Equal to this.
            pub eq: Option<$value>,
            /// Equal to one of these (at most 200).
            #[graphql(name = "in")]
            pub any_of: Option<Vec<$value>>,
            /// Whether there is no value.
            pub is_null: Option<bool>,
        }

        impl $name {
            /// The condition on `column`.
            ///
            /// # Errors
            /// `BAD_USER_INPUT` for a list that is too long.
            pub fn condition<C: sea_orm::ColumnTrait>(
                &self,
                field: &str,
                column: C,
            ) -> $crate::Result<sea_orm::Condition> {
                let Self { eq, any_of, is_null } = self;
                if let Some(list) = any_of {
                    $crate::graphql::filters::check_list(field, list)?;
                }
                Ok(sea_orm::Condition::all()
                    .add_option(eq.map(|value| column.eq(value)))
                    .add_option(any_of.as_ref().map(|list| column.is_in(list.iter().copied())))
                    .add_option(is_null.map(|is_null| $crate::graphql::filters::null(column, is_null))))
            }
        }
    };
}
pub(crate) use choice_filter;

choice_filter!(
    /// A filter on the id of a client. All parts that are given must hold.
    ClientIdFilter, entity::ClientId
);
choice_filter!(
    /// A filter on the id of a user. All parts that are given must hold.
    UserIdFilter, entity::UserId
);
choice_filter!(
    /// A filter on the id of a product. All parts that are given must hold.
    ProductIdFilter, entity::ProductId
);
choice_filter!(
    /// A filter on the id of a tier. All parts that are given must hold.
    TierIdFilter, entity::TierId
);
choice_filter!(
    /// A filter on the id of a category. All parts that are given must hold.
    CategoryIdFilter, entity::CategoryId
);
