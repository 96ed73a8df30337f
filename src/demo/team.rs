//! Who works in the team, and who reports to whom.

use entity::{Locale, UserId, UserRole, user};

use super::random::Random;
use super::{Calendar, Rows};
use crate::domain::text;

/// The administrator's address.
pub const ADMIN: &str = "grace.lin@clientele.example";
/// The address of the sales director, whom everybody in sales reports to.
pub const DIRECTOR: &str = "chen.wei@clientele.example";
/// The address of the team lead, two steps below the director.
pub const LEAD: &str = "olivia.martin@clientele.example";
/// The address of a rep in the lead's team.
pub const REP: &str = "sofia.rossi@clientele.example";

const REGIONAL: &str = "lin.yue@clientele.example";

struct Person {
    email: &'static str,
    name: &'static str,
    title: &'static str,
    role: UserRole,
    manager: Option<&'static str>,
    is_chinese: bool,
}

const fn person(
    email: &'static str,
    name: &'static str,
    title: &'static str,
    role: UserRole,
    manager: Option<&'static str>,
    is_chinese: bool,
) -> Person {
    Person {
        email,
        name,
        title,
        role,
        manager,
        is_chinese,
    }
}

use UserRole::{Admin, Manager, Rep};

/// Managers stand before those who report to them.
const PEOPLE: &[Person] = &[
    person(ADMIN, "Grace Lin", "Operations", Admin, None, false),
    person(DIRECTOR, "陈伟", "销售总监", Manager, None, true),
    person(REGIONAL, "林悦", "区域经理", Manager, Some(DIRECTOR), true),
    person(
        LEAD,
        "Olivia Martin",
        "Team lead, export",
        Manager,
        Some(REGIONAL),
        false,
    ),
    person(
        "wang.fang@clientele.example",
        "王芳",
        "大客户代表",
        Rep,
        Some(DIRECTOR),
        true,
    ),
    person(
        "liu.yang@clientele.example",
        "刘洋",
        "销售代表",
        Rep,
        Some(DIRECTOR),
        true,
    ),
    person(
        "zhang.min@clientele.example",
        "张敏",
        "销售代表",
        Rep,
        Some(REGIONAL),
        true,
    ),
    person(
        "li.na@clientele.example",
        "李娜",
        "销售代表",
        Rep,
        Some(REGIONAL),
        true,
    ),
    person(
        "zhao.lei@clientele.example",
        "赵磊",
        "销售代表",
        Rep,
        Some(REGIONAL),
        true,
    ),
    person(REP, "Sofia Rossi", "Sales rep", Rep, Some(LEAD), false),
    person(
        "james.okafor@clientele.example",
        "James Okafor",
        "Sales rep",
        Rep,
        Some(LEAD),
        false,
    ),
    person(
        "anna.berg@clientele.example",
        "Anna Berg",
        "Sales rep",
        Rep,
        Some(LEAD),
        false,
    ),
];

pub(super) fn make(rows: &mut Rows, random: &mut Random, calendar: Calendar) {
    for person in PEOPLE {
        let hired_on = calendar.ago(random.between(800, 3_000));
        let made_at = calendar.at(hired_on, 0);
        let id: UserId = random.id(made_at);
        let manager_id = rows
            .users
            .iter()
            .find(|user| Some(user.email.as_str()) == person.manager)
            .map(|user| user.id);
        rows.users.push(user::Model {
            id,
            external_id: None,
            email: person.email.to_owned(),
            name: person.name.to_owned(),
            name_sort: text::name_sort(person.name),
            title: Some(person.title.to_owned()),
            role: person.role,
            manager_id,
            is_pool_keeper: person.email == DIRECTOR,
            time_zone: if person.is_chinese {
                "Asia/Shanghai"
            } else {
                "America/Vancouver"
            }
            .to_owned(),
            locale: if person.is_chinese {
                Locale::ZhCn
            } else {
                Locale::En
            },
            hired_on: Some(hired_on),
            deactivated_at: None,
            version: 1,
            created_at: made_at,
            updated_at: made_at,
        });
    }
}

/// The reps who serve clients in China, or abroad.
pub(super) fn reps(rows: &Rows, is_chinese: bool) -> Vec<UserId> {
    rows.users
        .iter()
        .filter(|user| user.role == Rep && (user.locale == Locale::ZhCn) == is_chinese)
        .map(|user| user.id)
        .collect()
}

/// The user with this address.
pub(super) fn id_of(rows: &Rows, email: &str) -> Option<UserId> {
    let user = rows.users.iter().find(|user| user.email == email)?;
    Some(user.id)
}
