//! The reads, the same on both databases but for the SQL.

/// Makes the reads of `Rows`, which has a pool `read`, out of the statements of the module it is used in.
macro_rules! reads {
    () => {
        impl Rows {
            pub(super) async fn home(&self, user: Uuid) -> Result<Clients<HomeClient>> {
                let rows = sqlx::query(HOME).bind(user).fetch_all(&self.read).await?;
                let mut clients = Vec::with_capacity(rows.len());
                for row in rows {
                    clients.push(HomeClient {
                        id: ClientId(row.try_get(0)?),
                        name: row.try_get(1)?,
                        tier: Tier::of(row.try_get(2)?, row.try_get(3)?),
                        contacts: Nodes::default(),
                        orders: Nodes::default(),
                    });
                }
                let mut page = Page::of(clients, 20);
                let ids: Vec<Uuid> = page.nodes.iter().map(|client| client.id.0).collect();
                let own = |client: &HomeClient| client.id.0;
                let rows = of_ids(HOME_CONTACTS, &ids).fetch_all(&self.read).await?;
                let mut contacts = Vec::with_capacity(rows.len());
                for row in rows {
                    let contact = HomeContact {
                        id: ContactId(row.try_get(1)?),
                        name: row.try_get(2)?,
                        title: row.try_get(3)?,
                    };
                    contacts.push((row.try_get(0)?, contact));
                }
                nest(&mut page.nodes, own, contacts, |client, contact| {
                    client.contacts.nodes.push(contact);
                });
                let rows = of_ids(HOME_ORDERS, &ids).fetch_all(&self.read).await?;
                let mut orders = Vec::with_capacity(rows.len());
                for row in rows {
                    let order = HomeOrder {
                        id: OrderId(row.try_get(1)?),
                        number: row.try_get(2)?,
                        status: row.try_get(3)?,
                        placed_on: row.try_get(4)?,
                        total: Money::of(row.try_get(5)?, row.try_get(6)?)?,
                    };
                    orders.push((row.try_get(0)?, order));
                }
                nest(&mut page.nodes, own, orders, |client, order| {
                    client.orders.nodes.push(order);
                });
                Ok(Clients { clients: page })
            }

            pub(super) async fn client(&self, user: Uuid, id: Uuid) -> Result<OneClient> {
                let found = sqlx::query(CLIENT)
                    .bind(id)
                    .bind(user)
                    .fetch_optional(&self.read)
                    .await?;
                let Some(row) = found else {
                    return Ok(OneClient { client: None });
                };
                let mut client = Client {
                    id: ClientId(id),
                    name: row.try_get(0)?,
                    kind: row.try_get(1)?,
                    lifecycle: row.try_get(2)?,
                    phone: row.try_get(3)?,
                    email: row.try_get(4)?,
                    currency: row.try_get(5)?,
                    tier: Tier::of(row.try_get(6)?, row.try_get(7)?),
                    contacts: Nodes::default(),
                    orders: Nodes::default(),
                };
                let rows = sqlx::query(CONTACTS).bind(id).fetch_all(&self.read).await?;
                for row in rows {
                    client.contacts.nodes.push(Contact {
                        id: ContactId(row.try_get(0)?),
                        name: row.try_get(1)?,
                        title: row.try_get(2)?,
                        is_key: row.try_get(3)?,
                    });
                }
                let rows = sqlx::query(ORDERS).bind(id).fetch_all(&self.read).await?;
                for row in rows {
                    let currency: String = row.try_get(6)?;
                    client.orders.nodes.push(Order {
                        id: OrderId(row.try_get(0)?),
                        number: row.try_get(1)?,
                        status: row.try_get(2)?,
                        placed_on: row.try_get(3)?,
                        due_on: row.try_get(4)?,
                        total: Money::of(row.try_get(5)?, &currency)?,
                        lines: Some(Vec::new()),
                        currency,
                    });
                }
                let orders = &mut client.orders.nodes;
                let ids: Vec<Uuid> = orders.iter().map(|order| order.id.0).collect();
                let rows = of_ids(LINES, &ids).fetch_all(&self.read).await?;
                let places: std::collections::HashMap<Uuid, usize> =
                    ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
                for row in rows {
                    let at = places.get(&row.try_get::<Uuid, _>(0)?);
                    let Some(order) = at.and_then(|at| orders.get_mut(*at)) else {
                        continue;
                    };
                    let line = Line {
                        id: OrderLineId(row.try_get(1)?),
                        product_name: row.try_get(2)?,
                        sku: row.try_get(3)?,
                        quantity: row.try_get(4)?,
                        unit_price: Money::of(row.try_get(5)?, &order.currency)?,
                        net: Money::of(row.try_get(6)?, &order.currency)?,
                    };
                    order.lines.get_or_insert_default().push(line);
                }
                Ok(OneClient {
                    client: Some(client),
                })
            }

            pub(super) async fn search(&self, user: Uuid, needle: &str) -> Result<Clients<Hit>> {
                let rows = sqlx::query(SEARCH)
                    .bind(user)
                    .bind(needle)
                    .fetch_all(&self.read)
                    .await?;
                let mut hits = Vec::with_capacity(rows.len());
                for row in rows {
                    hits.push(Hit {
                        id: ClientId(row.try_get(0)?),
                        name: row.try_get(1)?,
                        lifecycle: row.try_get(2)?,
                        phone: row.try_get(3)?,
                        email: row.try_get(4)?,
                    });
                }
                Ok(Clients {
                    clients: Page::of(hits, 20),
                })
            }
        }
    };
}

pub(super) use reads;
