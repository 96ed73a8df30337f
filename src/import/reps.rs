//! `reps.csv`: users, and who reports to whom. Users come without a password; `clientele user set-password`
//! gives them one.

use std::collections::HashMap;

use entity::{Locale, UserId, UserRole, user};
use sea_orm::ActiveValue::{NotSet, Set};

use super::read::{Columns, Problem, Row, day, wrong};
use super::{FileKind, Planned, Run, Work, by_key, differing, key_problem};
use crate::db::{Administrator, Tx, Visible};
use crate::domain::text::{self, Email};
use crate::domain::users;
use crate::error::Result;

pub(super) const COLUMNS: Columns = Columns {
    required: &["external_id", "name", "email"],
    optional: &[
        "title",
        "role",
        "manager_external_id",
        "hired_on",
        "time_zone",
        "locale",
    ],
};

const KIND: FileKind = FileKind::Reps;
const MANAGER: &str = "manager_external_id";

/// A row that is right in itself; whether its manager is, is seen when all rows are read.
struct Draft<'a> {
    row: Row<'a>,
    external_id: &'a str,
    id: UserId,
    wanted: user::ActiveModel,
}

pub(super) async fn import(run: &mut Run<'_>) -> Result<()> {
    let Some(table) = run.take(KIND) else {
        return Ok(());
    };
    // All users: the circle check needs the whole tree, and a team is never so large that it would matter.
    let users = run.session.select::<user::Entity>().all().await?;
    let present = by_key(users.clone(), |user| user.external_id.clone());
    let mut emails: HashMap<String, UserId> = users
        .iter()
        .map(|user| (user.email.clone(), user.id))
        .collect();
    let mut seen = HashMap::new();
    let mut drafts = Vec::new();
    for row in table.rows() {
        let external_id = row.raw("external_id");
        if let Some(problem) = key_problem(row, external_id, &mut seen) {
            run.refuse(KIND, row.line, "", problem);
            continue;
        }
        match draft(run, row, external_id, present.get(external_id), &mut emails) {
            Ok(draft) => drafts.push(draft),
            Err(problem) => run.refuse_row(KIND, row, external_id, problem),
        }
    }
    let drafts = settle(run, drafts, &users, &present);
    let drafts = keep_an_admin(run, drafts, &users).await?;
    let mut planned = Vec::new();
    for Draft {
        row,
        external_id,
        id,
        wanted,
    } in drafts
    {
        run.known.users.insert(external_id.to_owned(), id);
        let work = match present.get(external_id) {
            None => Some(Work::Create(wanted)),
            Some(found) => differing::<user::Entity>(found, wanted)
                .map(|changes| Work::Update(found.clone(), changes)),
        };
        match work {
            None => run.report.count(KIND, |counts| counts.unchanged += 1),
            Some(work) => planned.push(Planned {
                line: row.line,
                external_id: external_id.to_owned(),
                work,
            }),
        }
    }
    let all: Vec<String> = planned.iter().map(|one| one.external_id.clone()).collect();
    let written = run
        .write(KIND, planned, 500, |tx, chunk| async move {
            tx.lock_tree().await?;
            for planned in chunk.iter() {
                write(&tx, planned.work.clone()).await?;
            }
            Ok(())
        })
        .await?;
    for external_id in all {
        let went_in = written.iter().any(|one| one.external_id == external_id);
        if !went_in && !present.contains_key(&external_id) {
            run.known.users.remove(&external_id);
        }
    }
    run.count_written(KIND, &written);
    Ok(())
}

async fn write(tx: &Tx, work: Work<user::Entity>) -> Result<()> {
    match work {
        Work::Create(wanted) => {
            let user = tx.insert::<user::Entity>(wanted).await?;
            tx.tree_insert(user.id, user.manager_id).await
        }
        Work::Update(present, changes) => {
            if matches!(changes.role, Set(role) if role != UserRole::Admin) {
                let user = tx.select::<user::Entity>().id(present.id).get().await?;
                users::keep_an_admin(tx, &user)
                    .await
                    .map_err(|error| error.field("role"))?;
            }
            if let Set(manager) = changes.manager_id {
                tx.tree_move(present.id, manager).await?;
            }
            tx.update::<user::Entity>(&present, None, changes).await?;
            Ok(())
        }
    }
}

/// Leaves out rows that would take the last administrator who can sign in away. Rows that take an
/// administrator away come last, so that one who is named in the same file may take their place.
async fn keep_an_admin<'a>(
    run: &mut Run<'_>,
    mut drafts: Vec<Draft<'a>>,
    users: &[Visible<user::Model>],
) -> Result<Vec<Draft<'a>>> {
    let mut admins = run.session.administrators().await?;
    let is_demotion = |draft: &Draft<'_>, admins: &[Administrator]| {
        let role = draft.wanted.role.try_as_ref();
        role.is_some_and(|role| *role != UserRole::Admin)
            && admins.iter().any(|admin| admin.user == draft.id)
    };
    let present = admins.clone();
    drafts.sort_by_key(|draft| is_demotion(draft, &present));
    let has_left = |id: UserId| {
        let user = users.iter().find(|user| user.id == id);
        user.is_some_and(|user| user.deactivated_at.is_some())
    };
    let mut kept = Vec::with_capacity(drafts.len());
    for draft in drafts {
        if is_demotion(&draft, &admins) {
            match users::admins_without(&admins, draft.id) {
                Ok(left) => admins = left,
                Err(error) => {
                    let problem = draft.row.problem("role", error.message());
                    run.refuse(KIND, draft.row.line, draft.external_id, problem);
                    continue;
                }
            }
        } else if draft.wanted.role.try_as_ref() == Some(&UserRole::Admin)
            && !has_left(draft.id)
            && !admins.iter().any(|admin| admin.user == draft.id)
        {
            let account = run.session.account_of(draft.id).await?;
            admins.push(Administrator {
                user: draft.id,
                has_password: account.is_some_and(|account| account.password_hash.is_some()),
            });
        }
        kept.push(draft);
    }
    Ok(kept)
}

fn draft<'a>(
    run: &Run<'_>,
    row: Row<'a>,
    external_id: &'a str,
    present: Option<&Visible<user::Model>>,
    emails: &mut HashMap<String, UserId>,
) -> Result<Draft<'a>, Problem> {
    let name = row.demand("name", |name| text::text("name", name, 100));
    let email = row.demand("email", |email| Email::parse("email", email));
    let role = row.parse("role", role);
    let time_zone = row.parse("time_zone", |zone| {
        text::time_zone("timeZone", zone).map(|zone| zone.name().to_owned())
    });
    let locale = row.parse("locale", locale);
    let title = row.value("title", |title| text::text("title", title, 100));
    let hired_on = row.value("hired_on", day);
    // Only now may the first that is wrong end it: all of them are told.
    let (name, email, role) = (name?, email?, role?);
    let (time_zone, locale, title, hired_on) = (time_zone?, locale?, title?, hired_on?);
    let now = run.session.now();
    let id = present.map_or_else(|| UserId(uuid::Uuid::now_v7()), |user| user.id);
    // Only a row that is otherwise right takes its address.
    let holder = *emails.entry(email.as_str().to_owned()).or_insert(id);
    if holder != id {
        return Err(row.problem("email", "another user has this address"));
    }
    let common = user::ActiveModel {
        email: Set(email.into_string()),
        name_sort: Set(text::name_sort(&name)),
        name: Set(name),
        title,
        hired_on,
        ..Default::default()
    };
    let wanted = if present.is_some() {
        user::ActiveModel {
            role: role.map_or(NotSet, Set),
            time_zone: time_zone.map_or(NotSet, Set),
            locale: locale.map_or(NotSet, Set),
            ..common
        }
    } else {
        user::ActiveModel {
            id: Set(id),
            external_id: Set(Some(external_id.to_owned())),
            role: Set(role.unwrap_or(UserRole::Rep)),
            is_pool_keeper: Set(false),
            time_zone: Set(time_zone.unwrap_or_else(|| "UTC".to_owned())),
            locale: Set(locale.unwrap_or(Locale::En)),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            ..common
        }
    };
    Ok(Draft {
        row,
        external_id,
        id,
        wanted,
    })
}

/// Finds every manager, leaves out rows whose manager is nowhere and rows that would close a circle, and puts
/// managers before those who report to them.
fn settle<'a>(
    run: &mut Run<'_>,
    mut drafts: Vec<Draft<'a>>,
    users: &[Visible<user::Model>],
    present: &HashMap<String, Visible<user::Model>>,
) -> Vec<Draft<'a>> {
    loop {
        let ids: HashMap<&str, UserId> = present
            .iter()
            .map(|(key, user)| (key.as_str(), user.id))
            .chain(drafts.iter().map(|draft| (draft.external_id, draft.id)))
            .collect();
        let mut above: HashMap<UserId, Option<UserId>> = users
            .iter()
            .map(|user| (user.id, user.manager_id))
            .collect();
        let roles: HashMap<UserId, UserRole> = users
            .iter()
            .map(|user| (user.id, user.role))
            .chain(drafts.iter().filter_map(|draft| {
                let role = draft.wanted.role.try_as_ref()?;
                Some((draft.id, *role))
            }))
            .collect();
        let mut bad: Vec<(usize, String)> = Vec::new();
        for (at, draft) in drafts.iter_mut().enumerate() {
            let key = draft.row.text(MANAGER);
            let manager = key.and_then(|key| ids.get(key).copied());
            if let (Some(key), None) = (key, manager) {
                bad.push((at, run.known.dangling(KIND, key)));
                continue;
            }
            if draft.row.has(MANAGER) {
                draft.wanted.manager_id = Set(manager);
                above.insert(draft.id, manager);
            } else {
                above.entry(draft.id).or_insert(None);
            }
        }
        if bad.is_empty() {
            for (at, draft) in drafts.iter().enumerate() {
                let manager = above.get(&draft.id).copied().flatten();
                let reason = if height(&above, draft.id).is_none() {
                    "these people would report to each other in a circle"
                } else if manager.and_then(|manager| roles.get(&manager)) == Some(&UserRole::Rep) {
                    "people report to managers and administrators, and this is a rep"
                } else {
                    continue;
                };
                if draft.row.text(MANAGER).is_some() {
                    bad.push((at, reason.to_owned()));
                }
            }
        }
        if bad.is_empty() {
            drafts.sort_by_key(|draft| height(&above, draft.id));
            return drafts;
        }
        // From the end, so that places stay what they are.
        for (at, reason) in bad.into_iter().rev() {
            let draft = drafts.remove(at);
            let problem = draft.row.problem(MANAGER, reason);
            run.refuse(KIND, draft.row.line, draft.external_id, problem);
        }
    }
}

/// How many people are above `id`; nothing when that goes in a circle through `id` itself.
fn height(above: &HashMap<UserId, Option<UserId>>, id: UserId) -> Option<usize> {
    let mut at = id;
    for height in 0..=above.len() {
        match above.get(&at).copied().flatten() {
            None => return Some(height),
            Some(manager) if manager == id => return None,
            Some(manager) => at = manager,
        }
    }
    // Below a circle, not in it: once the circle is refused, this row is looked at again.
    Some(above.len())
}

fn role(text: &str) -> Result<UserRole> {
    match text.to_uppercase().as_str() {
        "REP" => Ok(UserRole::Rep),
        "MANAGER" => Ok(UserRole::Manager),
        "ADMIN" => Ok(UserRole::Admin),
        _ => Err(wrong("expected REP, MANAGER or ADMIN")),
    }
}

fn locale(text: &str) -> Result<Locale> {
    match text.to_uppercase().replace('-', "_").as_str() {
        "EN" => Ok(Locale::En),
        "ZH_CN" => Ok(Locale::ZhCn),
        _ => Err(wrong("expected EN or ZH_CN")),
    }
}
