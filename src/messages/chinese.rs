//! The catalogue: every text in English, as it stands where it is said, and in Simplified Chinese. Arguments keep
//! their names. A text comes once, by concept; nouns come last.

/// Declares the texts, each in English and in Chinese.
macro_rules! texts {
    ($($english:literal => $chinese:literal,)+) => {
        /// English and Chinese.
        pub(super) const TEXTS: &[(&str, &str)] = &[$(($english, $chinese)),+];
    };
}

texts! {
    // Pushes of phones.
    "somebody changed the same meanwhile" => "其他人同时修改了相同的内容",
    "this was put away meanwhile" => "此记录已被归档",
    "this is not there, or no longer among your clients" => "此记录不存在，或已不属于您的客户",
    "what this belongs to did not arrive within a week" => "所属的记录在一周内没有到达",
    "too many changes of this device wait for others already" => "此设备等待中的修改已过多",
    "this operation was sent before with other content" => "此操作曾以其他内容发送过",
    "what this depends on was not done" => "此操作所依赖的操作没有完成",
    "what this depends on comes after it" => "此操作所依赖的操作排在它之后",
    "`{name}` is said when this is made, and stays" => "`{name}` 在创建时确定，之后不能更改",
    "phones do not write documents of this kind" => "手机不能写入此类文档",
    "phones do not delete documents of this kind" => "手机不能删除此类文档",
    "operations are counted from 1" => "操作编号从 1 开始",
    "this id is of another kind than the document" => "此 ID 与文档的类别不符",
    "a push has at most {most} operations, not {count}" => "一次推送最多 {most} 个操作，现有 {count} 个",
    "a push has at most {most} rows, not {count}" => "一次推送最多 {most} 行，现有 {count} 行",
    "{shown} is out of range: expected a whole number from 0 to 9007199254740991"
        => "{shown} 超出范围：应为 0 至 9007199254740991 之间的整数",
    "{shown} is not a UUID: write it as a text such as \"0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\""
        => "{shown} 不是 UUID：应为文本，例如 \"0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\"",

    // Values and their places.
    "`{field}` is missing" => "缺少 `{field}`",
    "`{field}` cannot be null" => "`{field}` 不能为 null",
    "`{field}` cannot be null; leave it out to keep it as it is"
        => "`{field}` 不能为 null；如需保持不变，请不要填写",
    "`{field}` is not a text" => "`{field}` 必须是文本",
    "null was given where a value is expected" => "此处需要一个值，不能为 null",
    "there is no field `{name}` here" => "此处没有字段 `{name}`",
    "there is no field `{name}` here; did you mean `{near}`?" => "此处没有字段 `{name}`；您是否想写 `{near}`？",
    "there is no argument `{name}` here" => "此处没有参数 `{name}`",
    "there is no argument `{name}` here; did you mean `{near}`?" => "此处没有参数 `{name}`；您是否想写 `{near}`？",
    "{kind} was given where an object is expected" => "此处需要对象，收到的却是{kind}",
    "{kind} was given where a text in quotes is expected" => "此处需要带引号的文本，收到的却是{kind}",
    "{shown} is not one of {names}" => "{shown} 不在可选值之中：{names}",
    "{shown} is none of the {count} values; the nearest are {near}"
        => "{shown} 不在 {count} 个可选值之中；最接近的有：{near}",
    "{shown} is neither true nor false" => "{shown} 既不是 true 也不是 false",
    "{shown} is not a number" => "{shown} 不是数字",
    "{shown} is not a whole number" => "{shown} 不是整数",
    "{shown} is out of range: expected a whole number from {least} to {most}"
        => "{shown} 超出范围：应为 {least} 至 {most} 之间的整数",
    "{shown} is not an id: expected a text such as \"client_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\""
        => "{shown} 不是 ID：应为文本，例如 \"client_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\"",
    "{shown} is an id of the kind {given}, but {wanted} is expected: \"{prefix}_\" and a UUID"
        => "{shown} 是{given}的 ID，此处需要{wanted}的 ID：\"{prefix}_\" 加 UUID",
    "{shown} is not an id of the kind {wanted}: expected \"{prefix}_\" and a UUID"
        => "{shown} 不是{wanted}的 ID：应为 \"{prefix}_\" 加 UUID",
    "{id} is not an id: expected a kind, an underscore and a UUID" => "{id} 不是 ID：应为类别、下划线加 UUID",
    "there is no kind of object called {kind}" => "没有名为 {kind} 的对象类别",
    "write decimals as a text, \"{number}\": a number would lose digits"
        => "小数请写成文本 \"{number}\"，否则会丢失精度",
    "{shown} is not a decimal: write it as a text such as \"1234.50\""
        => "{shown} 不是小数：请写成文本，例如 \"1234.50\"",
    "{shown} is not a currency code: write it as a text such as \"EUR\""
        => "{shown} 不是货币代码：请写成文本，例如 \"CNY\"",
    "{given} is not a currency: expected a code of ISO 4217, as in \"CNY\""
        => "{given} 不是货币：应为 ISO 4217 代码，例如 \"CNY\"",
    "{shown} is not an instant: write it with date, time and offset, such as \"2026-03-01T08:30:00Z\""
        => "{shown} 不是时间：请写明日期、时间和时区偏移，例如 \"2026-03-01T08:30:00Z\"",
    "{shown} is not a day: write it as year-month-day, such as \"2026-03-01\""
        => "{shown} 不是日期：请按年-月-日书写，例如 \"2026-03-01\"",
    "{shown} is out of range" => "{shown} 超出范围",
    "must not be empty" => "不能为空",
    "must not hold control characters" => "不能含有控制字符",
    "has at most {max_chars} characters" => "最多 {max_chars} 个字符",
    "not an email address: expected one such as \"name@example.com\""
        => "不是电子邮箱：应类似 \"name@example.com\"",
    "not a phone number: expected 3 to 20 digits, as in \"+1 (604) 555-4729 ext 12\""
        => "不是电话号码：应为 3 至 20 位数字，例如 \"+86 10 6555 4729 ext 12\"",
    "not a time zone: expected a name of the IANA database, as in \"Asia/Shanghai\""
        => "不是时区：应为 IANA 时区名称，例如 \"Asia/Shanghai\"",
    "not a country: expected a code of ISO 3166-1 of two letters, as in \"CN\""
        => "不是国家或地区：应为 ISO 3166-1 的两位字母代码，例如 \"CN\"",
    "not an amount: expected a decimal number such as \"14.00\" or \"-3.5\""
        => "不是金额：应为小数，例如 \"14.00\" 或 \"-3.5\"",
    "too many decimals: {currency} has none" => "小数位数过多：{currency} 没有小数位",
    "too many decimals: {currency} has {places}" => "小数位数过多：{currency} 只有 {places} 位小数",
    "the day is out of range: years go from 1 to 9999" => "日期超出范围：年份应在 1 至 9999 之间",
    "the amount is too large" => "金额过大",
    "this amount is too large" => "该金额过大",
    "the amount is 0 or more" => "金额不能为负",
    "the amount is more than 0" => "金额必须大于 0",
    "the amount is in {currency}, but {expected} is expected here"
        => "金额的货币为 {currency}，此处应为 {expected}",
    "this day is in the future" => "该日期在未来",
    "the end is in the future" => "截止时间必须在未来",
    "{what} is {least} to {most}" => "{what}应在 {least} 至 {most} 之间",

    // Lists and filters.
    "ask for `first` or for `last`, not for both" => "`first` 与 `last` 只能填写其一",
    "the values are refused: with variables put in their places there are more than {most} of them"
        => "参数值已被拒绝：代入变量后超过 {most} 个",
    "the answer would hold more than {most} fields: ask for smaller pages, fewer lists, or in several requests"
        => "结果将超过 {most} 个字段：请减小每页条数、减少列表，或分多次请求",
    "the introspection query shows too much" => "内省查询展示的内容过多",
    "the answer is larger than the {most} bytes that are kept with an Idempotency-Key, so nothing was done: select less, and read the rest by a query"
        => "结果超过随 Idempotency-Key 保存的 {most} 字节上限，因此未执行任何操作：请减少所选字段，其余内容改用查询读取",
    "`{field}` is a number from 0 to {most}, not {size}" => "`{field}` 应为 0 至 {most} 之间的数字，而不是 {size}",
    "`{field}` is not a cursor of this list: a cursor belongs to the person, the list, the filter and the order that it was made for"
        => "`{field}` 不是该列表的游标：游标只对生成它的人、列表、筛选条件和排序有效",
    "ask for at most {most} ids at once, not {count}" => "一次最多查询 {most} 个 ID，而不是 {count} 个",
    "a filter has at most {most} parts in `and`, `or` and `not`"
        => "筛选条件在 `and`、`or` 和 `not` 中最多有 {most} 个部分",
    "a text here has at most {most} characters" => "此处的文本最多 {most} 个字符",
    "a list here holds at most {most} values, not {count}" => "此处的列表最多 {most} 个值，而不是 {count} 个",
    "the range ends before it starts" => "范围的终点早于起点",
    "a search has at most {most} characters" => "搜索最多 {most} 个字符",
    "a search has at most {most} words" => "搜索最多 {most} 个词",
    "a search has at least two letters or digits, or one Chinese character"
        => "搜索至少需要两个字母或数字，或一个汉字",
    "not the start of an order number: expected up to ten letters and digits"
        => "不是订单号的开头：应为不超过十位的字母和数字",
    "birthdays are looked for 0 to {most} days ahead" => "生日查询的范围为未来 0 至 {most} 天",

    // Signing in, and what one may do.
    "sign in again" => "请重新登录",
    "sign in first" => "请先登录",
    "sign in first: send an access token in the header `Authorization: Bearer …`"
        => "请先登录：在请求头 `Authorization: Bearer …` 中发送访问令牌",
    "send the access token in the header `Authorization: Bearer …`"
        => "请在请求头 `Authorization: Bearer …` 中发送访问令牌",
    "send the token as: Authorization: Bearer <token>" => "请按此格式发送令牌：Authorization: Bearer <token>",
    "this session has ended; sign in again" => "会话已结束，请重新登录",
    "the e-mail address or the password is wrong" => "邮箱或密码错误",
    "too many tries to sign in; try again in {seconds} seconds" => "登录尝试次数过多，请在 {seconds} 秒后重试",
    "no key signs access tokens" => "没有可用于签发访问令牌的密钥",
    "an access token holds for a minute to 180 days" => "访问令牌的有效期为 1 分钟至 180 天",
    "use at most {most} characters" => "最多使用 {most} 个字符",
    "use at least {least} characters" => "至少使用 {least} 个字符",
    "do not use your e-mail address as password" => "请勿用邮箱地址作为密码",
    "this password is too common; take one nobody would guess" => "该密码过于常见，请使用他人难以猜到的密码",
    "this is not the password you have now" => "这不是您当前的密码",
    "your password was changed meanwhile; sign in again" => "您的密码已被修改，请重新登录",
    "only people have passwords of their own" => "只有用户才有自己的密码",
    "only administrators may see sessions of others" => "只有管理员可以查看他人的会话",
    "only administrators may end sessions of others" => "只有管理员可以结束他人的会话",
    "no such {what}" => "没有这个{what}",
    "a new {what} has to be one that you would see" => "不能创建自己无权查看的{what}",
    "this id belongs to another {what} already" => "该 ID 已属于另一个{what}",
    "{what}: only {who} may change it" => "{what}只有{who}可以修改",
    "managers and administrators" => "经理和管理员",
    "administrators" => "管理员",
    "this {what} was changed meanwhile; read it again, then repeat your change"
        => "该{what}已被他人修改；请重新读取后再提交更改",
    "this is done by a person, in their name" => "此操作须由用户本人进行",

    // The database.
    "this clashes with something that exists already" => "与已有数据冲突",
    "this external id is taken; choose another, or leave it out" => "该外部编号已被占用；请更换，或不填写",
    "this id cannot be used; make a new one, or leave it out" => "该 ID 不可用；请换一个新的，或不填写",
    "only managers, administrators and imports may set `externalId`; leave it out"
        => "只有经理、管理员和导入可以设置 `externalId`；请不要填写",
    "this Idempotency-Key was used for another request; take a new key for each, and the same key and body to repeat one"
        => "该 Idempotency-Key 已用于另一个请求；每个请求请使用新的键，重发时使用相同的键和内容",
    "the first request with this Idempotency-Key still runs; repeat yours in a moment"
        => "使用该 Idempotency-Key 的首个请求仍在处理；请稍后重发",
    "this was done; but the answer shows what you may no longer see"
        => "该操作已经完成，但答复中含有您已无权查看的内容",
    "this was done; but it is about a client that you no longer see"
        => "该操作已经完成，但所涉及的客户您已无权查看",
    "this was done already" => "该操作已经完成",
    "send one Idempotency-Key of 1 to {most} visible ASCII characters, such as a UUID"
        => "请发送一个 Idempotency-Key，由 1 至 {most} 个可见 ASCII 字符组成，例如 UUID",
    "something this refers to is missing, or something else still refers to it"
        => "所引用的数据不存在，或仍被其他数据引用",
    "the service is busy; try again in a moment" => "服务繁忙，请稍后重试",
    "somebody else is writing the same data; try again in a moment" => "他人正在写入相同的数据，请稍后重试",
    "the database took too long" => "数据库响应超时",
    "the database is not available; try again in a moment" => "数据库暂不可用，请稍后重试",
    "the database takes no writes at the moment; try again in a moment" => "数据库暂不可写入，请稍后重试",
    "the storage is full or cannot be written; nothing was saved" => "存储空间已满或无法写入，未保存任何内容",
    "the text holds a character that cannot be stored" => "文本中含有无法存储的字符",
    "this is changing hands; try again in a moment" => "正在移交中，请稍后重试",
    "something went wrong on our side; the request id finds it in the log"
        => "服务内部出错；可凭请求编号在日志中查找原因",

    // Users.
    "this user has left" => "该用户已离职",
    "a user cannot report to themselves or to somebody below them" => "用户不能向自己或自己的下属汇报",
    "only administrators may change who reports to whom" => "只有管理员可以调整汇报关系",
    "this user was deactivated already" => "该用户已被停用",
    "this user is not deactivated" => "该用户未被停用",
    "only administrators may keep users" => "只有管理员可以管理用户",
    "this is the last active administrator; make somebody else one first"
        => "这是最后一名在用的管理员，请先指定另一名管理员",
    "this is the last active administrator who has a password; give one to another first"
        => "这是最后一位有密码的在职管理员；请先为另一位管理员设置密码",
    "people report to this user; move them to another manager first" => "该用户仍有下属，请先将其转给其他经理",
    "people report to managers and administrators; make this user one first"
        => "只能向经理或管理员汇报，请先调整该用户的角色",
    "another user has this e-mail address" => "已有其他用户使用该邮箱",
    "another user has this external id" => "已有其他用户使用该外部编号",

    // Clients.
    "this client is archived already" => "该客户已归档",
    "this client is not archived" => "该客户未归档",
    "this client is archived; restore it first" => "该客户已归档，请先恢复",
    "this client has orders that are not delivered yet; finish or cancel them first"
        => "该客户还有未交付的订单，请先完成或取消",
    "only the owner of this client, managers above the owner and administrators may do this"
        => "只有该客户的负责人、其上级经理和管理员可以进行此操作",
    "this client is billed in {expected}, not in {given}" => "该客户以 {expected} 结算，而不是 {given}",
    "only administrators and keepers of the pool may leave a client without an owner"
        => "只有管理员和公海管理员可以让客户没有负责人",
    "you can give clients only to yourself and to people who report to you" => "只能将客户分配给自己或自己的下属",
    "only managers of the owner may set the credit limit and the payment term"
        => "只有负责人的上级经理可以设置信用额度和账期",
    "the credit limit is 0 or more" => "信用额度不能为负",
    "the payment term is 0 to 3650 days" => "账期应为 0 至 3650 天",
    "the number of people is 0 or more" => "人数不能为负",
    "a birthday is not in the future" => "生日不能在未来",
    "this client is a person; it has no section `{section}`" => "该客户是个人，没有 `{section}` 部分",
    "this client is an organization; it has no section `{section}`" => "该客户是单位，没有 `{section}` 部分",
    "the parent of a client is an organization" => "上级客户必须是单位",
    "a client cannot belong to itself or to one that belongs to it" => "客户不能隶属于自己或自己的下级客户",
    "organizations nest at most {most} deep" => "单位的隶属层级最多 {most} 层",
    "a client has at most {most} tags" => "每个客户最多 {most} 个标签",

    // The team of a client, and hand-overs.
    "this user is on the team already; change that instead" => "该用户已在团队中，请直接修改",
    "one of these users is on the team already" => "其中有用户已在团队中",
    "share with 1 to {most} people at once" => "一次可共享给 1 至 {most} 人",
    "a share lasts at most {most} days" => "共享最长 {most} 天",
    "only the owner of a client, managers above the owner and administrators may change its team"
        => "只有客户的负责人、其上级经理和管理员可以调整客户团队",
    "a client has one owner; hand it over to change that" => "每个客户只有一名负责人，更换负责人请使用移交",
    "this user owns the client and is on its team by that" => "该用户是客户的负责人，本来就在团队中",
    "a team has at most {most} members" => "团队最多 {most} 名成员",
    "some of these clients changed meanwhile; try again" => "其中部分客户已发生变化，请重试",
    "name 1 to {most} clients, or `fromUserId` for all of theirs"
        => "请指定 1 至 {most} 个客户，或用 `fromUserId` 指定某人的全部客户",
    "say either `clientIds` or `fromUserId`" => "`clientIds` 与 `fromUserId` 须填写其一",
    "these are too many clients" => "客户数量过多",
    "only managers and administrators may hand clients over" => "只有经理和管理员可以移交客户",
    "you can hand over only clients of people who report to you" => "只能移交自己下属的客户",
    "this device belongs to somebody else; a device takes another id for each user"
        => "该设备属于其他用户；设备须为每个用户使用不同的 id",
    "this device is to forget everything it holds; confirm with `deviceWiped`, then make a new device id"
        => "该设备须清除其保存的全部数据；请用 `deviceWiped` 确认，然后使用新的设备 id",
    "say which device asks: there is no session to know it by" => "请说明是哪台设备：没有可据以识别它的会话",
    "this checkpoint is none of ours; ask without one" => "该检查点不是由本服务签发的；请不带检查点重新请求",
    "this device has to begin anew: remove what it holds of this collection, and pull without a checkpoint"
        => "该设备须重新开始：请清除其保存的该集合数据，并不带检查点重新拉取",
    "a page has at least one document" => "每页至少一个文档",
    "a page has at most {most} documents" => "每页最多 {most} 个文档",
    "say either `checkpoint` or `since`" => "`checkpoint` 与 `since` 须填写其一",
    "name at least one collection" => "请至少指定一个集合",
    "a page has 1 to {most} rows" => "每页为 1 至 {most} 行",
    "this is no id of that collection" => "该 id 不属于此集合",
    "versions are counted from 1" => "版本号从 1 开始",
    "nobody asked this device to forget what it holds" => "没有人要求该设备清除其数据",
    "this device was shut out; make a new device id after signing in again"
        => "该设备已被停用；请重新登录后使用新的设备 id",
    "the one who should take over has left" => "接手人已离职",
    "the one who should take over does not report to you" => "接手人不是您的下属",
    "some of these clients do not exist, or are not yours to see" => "其中部分客户不存在，或您无权查看",
    "some of these clients belong to people outside your team" => "其中部分客户的负责人不在您的团队中",
    "none of these clients would change hands" => "这些客户的负责人均不会改变",

    // Contacts, addresses, notes.
    "this contact is archived; restore it before you make it the key contact"
        => "该联系人已归档，请先恢复再设为关键联系人",
    "this contact is archived already" => "该联系人已归档",
    "this contact is not archived" => "该联系人未归档",
    "a client has at most {most} contacts in use" => "每个客户最多 {most} 名在用的联系人",
    "a contact has at most {most} phones and handles" => "每名联系人最多 {most} 个电话和账号",
    "this number or handle is in the list already" => "该号码或账号已在列表中",
    "of each kind one is preferred at most" => "每一类最多只能有一个首选",
    "these degrees are out of bounds: -{bound} to {bound}" => "度数超出范围：应在 -{bound} 至 {bound} 之间",
    "this address is archived; restore it before you make it primary" => "该地址已归档，请先恢复再设为主要地址",
    "this address is archived already" => "该地址已归档",
    "this address is not archived" => "该地址未归档",
    "a client has at most {in_use} addresses in use, and {in_all} with those archived"
        => "每个客户最多 {in_use} 个在用的地址，连同已归档的最多 {in_all} 个",
    "an address says where: give a street, a city, a region, a postal code, a country or coordinates"
        => "地址须说明位置：请填写街道、城市、地区、邮编、国家或坐标",
    "this note is archived already" => "该备注已归档",
    "this note is not archived" => "该备注未归档",
    "only its author, managers above them and administrators may change a note"
        => "只有备注的作者、其上级经理和管理员可以修改备注",

    // Tiers.
    "an override ends in the future" => "人工指定的截止时间必须在未来",
    "this client has no override in this scheme" => "该客户在此方案中没有人工指定的等级",
    "this client is in this tier already; nothing was changed" => "该客户已在此等级中，未作更改",
    "a scheme has at most {most} tiers" => "每个方案最多 {most} 个等级",
    "clients are in this tier; put them into others first" => "该等级中还有客户，请先将其调整到其他等级",
    "this tier is archived" => "该等级已归档",
    "this tier is not archived" => "该等级未归档",
    "only managers and administrators may change tiers and who is in them"
        => "只有经理和管理员可以修改等级及客户所属的等级",
    "another tier of this scheme has this code, perhaps an archived one"
        => "该方案中已有等级使用此代码，可能是已归档的等级",
    "another tier of this scheme has this rank" => "该方案中已有等级使用此排名",
    "this tier scheme is archived" => "该等级方案已归档",
    "this tier scheme is not archived" => "该等级方案未归档",
    "there are at most {most} tier schemes" => "等级方案最多 {most} 个",
    "one scheme is the default; make another one the default instead"
        => "必须有一个默认方案，请将另一个方案设为默认",

    // Categories, products, stock.
    "this category is archived already" => "该类别已归档",
    "this category is not archived" => "该类别未归档",
    "this category is archived; restore it first" => "该类别已归档，请先恢复",
    "products or categories lie in this category; move or archive them first"
        => "该类别下还有产品或子类别，请先移动或归档",
    "another category has this external id" => "已有其他类别使用该外部编号",
    "categories lie at most {most} deep within one another" => "类别最多嵌套 {most} 层",
    "a category cannot lie in itself or in one that lies in it" => "类别不能位于自身或自身的子类别之下",
    "this product is archived already" => "该产品已归档",
    "this product is not archived" => "该产品未归档",
    "this product is promised to orders that have not shipped yet; ship or cancel them first"
        => "该产品已被尚未发货的订单占用，请先发货或取消",
    "{name} ({sku}) is not for sale" => "{name}（{sku}）不可销售",
    "{name} ({sku}) is no longer sold" => "{name}（{sku}）已停售",
    "{name} ({sku}) is archived; restore it first" => "{name}（{sku}）已归档，请先恢复",
    "the list price is 0 or more" => "标价不能为负",
    "the unit cost is 0 or more" => "单位成本不能为负",
    "the reorder level is 0 to {most}" => "补货点应在 0 至 {most} 之间",
    "another product has this article number" => "已有其他产品使用该货号",
    "another product has this external id" => "已有其他产品使用该外部编号",
    "a count is 0 to {most}" => "盘点数量应在 0 至 {most} 之间",
    "a quantity is 1 to {most}" => "数量应在 1 至 {most} 之间",
    "there is not enough in stock: {shortages}" => "库存不足：{shortages}",
    "{name} ({sku}): {asked} asked for, {free} available of {on_hand} on hand, in {unit}"
        => "{name}（{sku}）：需要 {asked}，可用 {free}，在库 {on_hand}（单位：{unit}）",
    "and {count} more" => "以及另外 {count} 种",
    "no more than {most} units of a product can be in stock" => "每种产品的库存不能超过 {most}",

    // Orders.
    "only a draft can be changed; this order was submitted" => "只有草稿可以修改，该订单已提交",
    "an order is not placed in the future" => "下单日期不能在未来",
    "this is before the order was placed, on {placed_on}" => "早于下单日期 {placed_on}",
    "this id belongs to another order already" => "该 ID 已属于另一个订单",
    "this order comes to too much" => "该订单的金额过大",
    "an order has at most {most} lines, not {count}" => "每个订单最多 {most} 行，而不是 {count} 行",
    "an order has 1 to {most} lines, not {count}" => "订单应有 1 至 {most} 行，而不是 {count} 行",
    "{sku} is priced in {priced}, but this client is billed in {billed}"
        => "{sku} 以 {priced} 定价，但该客户以 {billed} 结算",
    "the quantity is 1 to {most}, not {quantity}" => "数量应在 1 至 {most} 之间，而不是 {quantity}",
    "only managers of the client may set a price other than the list price; give a discount instead"
        => "只有经理可以改动标价，请改用折扣",
    "a discount goes from 0 to 10000 basis points" => "折扣应在 0 至 10000 基点之间",
    "a discount is 0 to {most} basis points, not {discount_bp}"
        => "折扣应在 0 至 {most} 基点之间，而不是 {discount_bp}",
    "give `addressId` or `shipTo`, not both" => "`addressId` 与 `shipTo` 只能填写其一",
    "an order that is {from} cannot become {to}; nothing comes after that"
        => "状态为 {from} 的订单不能变为 {to}；该状态已是最终状态",
    "an order that is {from} cannot become {to}; from there it can become {possible}"
        => "状态为 {from} 的订单不能变为 {to}；之后可变为：{possible}",
    "an order without lines cannot be submitted" => "没有明细的订单不能提交",
    "only managers may approve or refuse an order" => "只有经理可以审批订单",
    "payments stand against this order; void them before you cancel it"
        => "该订单已有收款，请先作废收款再取消订单",
    "there is nothing to track of a draft or a cancelled order" => "草稿或已取消的订单没有物流信息",
    "this cannot have happened before {not_before}" => "此事不可能早于 {not_before} 发生",
    "name at least one line, or leave `lines` out to return everything"
        => "请至少指定一行，或不填 `lines` 以全部退货",
    "at least one unit comes back" => "退货数量至少为 1",
    "{quantity} of {sku} cannot come back: {left} of {total} are left with the client"
        => "{sku} 无法退货 {quantity}：客户处共 {total}，还剩 {left}",
    "this line is named twice" => "该行重复",
    "this external id belongs to an order of another client" => "该外部编号属于另一个客户的订单",
    "the order with this external id was placed here; an import does not overwrite it"
        => "该外部编号的订单是在本系统中下的，导入不会覆盖它",
    "the order with this external id was cancelled here; an import does not overwrite it"
        => "该外部编号的订单已在本系统中取消，导入不会覆盖它",
    "this order needs approval for other reasons by now: {reasons}; approve it for these"
        => "该订单目前需要审批的原因已变为：{reasons}；请按这些原因审批",
    "goods of this order came back here; its lines can no longer change"
        => "该订单已在本系统中退货，明细不能再修改",

    // Payments.
    "this order is not approved yet, or was cancelled: there is nothing to pay"
        => "该订单尚未审批或已取消，没有应付款项",
    "{amount} is more than the {balance} that is still to be paid" => "{amount} 超过了尚未支付的 {balance}",
    "this payment was voided already" => "该收款已作废",

    // The edge.
    "there is nothing at {path}" => "{path} 不存在",
    "{path} does not take {method}; the header Allow says what it takes"
        => "{path} 不接受 {method}；可用的方法见响应头 Allow",
    "send GraphQL by POST or GET" => "请用 POST 或 GET 发送 GraphQL 请求",
    "only queries can be sent by GET" => "GET 只能发送查询",
    "subscriptions run on a WebSocket at this same address: connect with the protocol graphql-transport-ws"
        => "订阅在同一地址的 WebSocket 上运行：请使用 graphql-transport-ws 协议连接",
    "only subscriptions run on a socket: send queries and mutations by POST"
        => "套接字上只能运行订阅：查询和变更请用 POST 发送",
    "a subscription selects one field of Subscription, written out, neither in a fragment nor under @skip or @include"
        => "一个订阅只能选择 Subscription 的一个字段，且须直接写出，不能放在片段中，也不能带 @skip 或 @include",
    "this socket has {most} subscriptions, which is as many as it may: end one first, or open another socket"
        => "该套接字已有 {most} 个订阅，达到上限：请先结束一个，或另开一个套接字",
    "this is no handshake of a WebSocket: {reason}" => "这不是 WebSocket 握手：{reason}",
    "sockets speak the protocol {protocol}: name it in Sec-WebSocket-Protocol"
        => "套接字使用 {protocol} 协议：请在 Sec-WebSocket-Protocol 中写明",
    "pages of this origin may not use the service: name it among the origins of CORS"
        => "该来源的页面无权使用本服务：请将其加入 CORS 来源列表",
    "the answer is application/json or application/graphql-response+json; accept one of them"
        => "响应格式为 application/json 或 application/graphql-response+json，请接受其中之一",
    "send the request as application/json in UTF-8, without a content encoding"
        => "请以 UTF-8 的 application/json 发送请求，不要使用内容编码",
    "send JSON: `Content-Type: application/json`" => "请发送 JSON：`Content-Type: application/json`",
    "the body is larger than the {limit} bytes allowed" => "请求体超过允许的 {limit} 字节",
    "the body has at most {limit} bytes" => "请求体最多 {limit} 字节",
    "the body ended before it was complete" => "请求体不完整",
    "the body did not arrive in time" => "请求体未能按时到达",
    "this took too long; try again in a moment" => "处理时间过长，请稍后重试",
    "the body broke off" => "请求内容中断",
    "the body took too long to arrive" => "请求体传输超时",
    "the body is not a JSON object" => "请求体不是 JSON 对象",
    "the body is not JSON: line {line}, column {column}" => "请求体不是 JSON：第 {line} 行第 {column} 列",
    "{what} is JSON, but not what a GraphQL request holds: {reason}"
        => "{what} 虽是 JSON，但不符合 GraphQL 请求的格式：{reason}",
    "{what} is not valid JSON: {reason}" => "{what} 不是有效的 JSON：{reason}",
    "the body" => "请求体",
    "batches are not served: send one request, not an array of them" => "不支持批量请求：请逐个发送，不要发送数组",
    "the query string must hold query or documentId, and may hold operationName, variables, extensions, once each"
        => "查询字符串必须含有 query 或 documentId，另可含 operationName、variables、extensions，每项至多一次",
    "send query or documentId, not both" => "query 与 documentId 只能发送其一",
    "no document of this documentId is known here" => "此处没有该 documentId 对应的文档",
    "this service runs only the documents it was given: send the documentId of one of them"
        => "本服务只执行预先登记的文档：请发送其中之一的 documentId",
    "sha256Hash is not the SHA-256 of the query" => "sha256Hash 与 query 的 SHA-256 不符",
    "extensions.persistedQuery must hold version 1 and sha256Hash, 64 hex digits"
        => "extensions.persistedQuery 必须含有 version 1 和 sha256Hash（64 位十六进制数字）",
    "sign in to look at the schema" => "请先登录再查看 schema",
    "the document costs {cost} points, at most {most} are allowed: ask for smaller pages, or in several requests"
        => "该文档需要 {cost} 点，最多允许 {most} 点：请缩小分页，或分成多次请求",
    "the document costs {cost} points and this session has fewer left: wait {seconds} s"
        => "该文档需要 {cost} 点，当前会话余额不足：请等待 {seconds} 秒",
    "the document costs {cost} points and you have fewer left on all devices together: wait {seconds} s"
        => "该文档需要 {cost} 点，您在所有设备上的剩余点数合计不足：请等待 {seconds} 秒",
    "{limit} requests of yours are running, which is as many as may at the same time: send the next when one is answered"
        => "您已有 {limit} 个请求正在处理，已达同时处理的上限：请在收到响应后再发送下一个",
    "the service has more to do than it can: try again in some seconds" => "服务繁忙：请过几秒再试",
    "the answer is larger than the {limit} bytes allowed: {advice}" => "响应超过允许的 {limit} 字节：{advice}",
    "the write is done; read what you need of it by a query that selects less"
        => "写入已完成；请用选取内容较少的查询读取所需结果",
    "ask for smaller pages, fewer fields, or in several requests" => "请缩小分页、减少字段，或分成多次请求",
    "the request has no query: send the GraphQL document as query"
        => "请求缺少 query：请将 GraphQL 文档作为 query 发送",
    "it took longer than the {seconds} s it may" => "处理时间超过了允许的 {seconds} 秒",
    "the variable ${name} of type {kind} needs a value" => "类型为 {kind} 的变量 ${name} 需要一个值",
    "the variables are refused: they are nested more than {most} levels deep" => "变量被拒绝：嵌套超过 {most} 层",
    "the variables are refused: they hold more than {most} values" => "变量被拒绝：超过 {most} 个值",
    "syntax error: {what}" => "语法错误：{what}",
    "syntax error: {what} (line {line}, column {column})" => "语法错误：{what}（第 {line} 行第 {column} 列）",
    "the document cannot be parsed" => "无法解析文档",
    "a string that begins here never ends" => "从此处开始的字符串没有结束",

    "there is no field `{name}` on {parent}" => "{parent} 没有字段 `{name}`",
    "there is no field `{name}` on {parent}; did you mean `{near}`?"
        => "{parent} 没有字段 `{name}`；您是否想写 `{near}`？",
    "`{name}` is an object: say in braces which of its fields you want" => "`{name}` 是对象：请在花括号中指明需要的字段",
    "`{name}` is a value and has no fields" => "`{name}` 是单个值，没有下级字段",
    "there is no fragment `{name}`" => "没有片段 `{name}`",
    "there is no type `{name}` with fields" => "没有带字段的类型 `{name}`",
    // What the GraphQL library says of a document.
    "{reason}" => "请求有误：{reason}",
    "the document has several operations: say with operationName which to run"
        => "文档含有多个操作：请用 operationName 指定要执行的操作",
    "the document has no operation named \"{name}\"" => "文档中没有名为 \"{name}\" 的操作",
    "fragment \"{name}\" spreads itself, directly or through others" => "片段 \"{name}\" 直接或间接地引用了自身",
    "introspection is off on this service" => "本服务已关闭内省",
    "{what}: far more than the {limit} {unit} allowed" => "{what}：远超允许的 {limit} {unit}",
    "{what}: {found} {unit}, at most {limit} are allowed" => "{what}：共 {found} {unit}，最多允许 {limit}",
    "the document has too many operations" => "文档中的操作过多",
    "the query goes too deep" => "查询层级过深",
    "the introspection query goes too deep" => "内省查询层级过深",
    "the query selects too much" => "查询的字段过多",
    "the operation has too many root fields" => "操作的根字段过多",
    "the query has too many aliases" => "查询的别名过多",
    "the query has too many directives" => "查询的指令过多",
    "the page sizes, multiplied down the paths, ask for too much" => "各级分页相乘后请求的数据过多",
    "all operations and fragments together select too much" => "所有操作和片段合计选择的字段过多",
    "selections, with fragments expanded, are nested too deeply" => "展开片段后嵌套过深",
    "the document is too long" => "文档过长",
    "the document is nested too deeply" => "文档嵌套过深",
    "operations" => "个操作",
    "levels of fields" => "层字段",
    "lists within each other" => "层嵌套列表",
    "fields" => "个字段",
    "root fields" => "个根字段",
    "aliases" => "个别名",
    "directives" => "条指令",
    "rows" => "行",
    "levels" => "层",
    "bytes" => "字节",
    "tokens" => "个词法单元",
    "open brackets" => "层括号",

    // How parts are put together.
    "{first}; {rest}" => "{first}；{rest}",
    "a number" => "数字",
    "a text" => "文本",
    "true or false" => "布尔值",
    "binary data" => "二进制数据",
    "a name without quotes" => "不带引号的名称",
    "a list" => "列表",
    "an object" => "对象",
    "the discount" => "折扣",
    "the payment term" => "账期",
    "the rank" => "排名",
    "the multiplier of points" => "积分倍数",
    "the cadence of visits" => "拜访周期",
    "the time to answer" => "响应时限",

    // Programs, identities, and what is confidential.
    "this identity is linked to another user"
        => "这个身份已关联到其他用户",
    "a user has at most {count} identities"
        => "每位用户最多有 {count} 个身份",
    "only administrators make codes for new passwords"
        => "只有管理员可以生成新密码的代码",
    "this code is not valid, or no longer; ask an administrator for another"
        => "此代码无效或已失效，请向管理员索取新的代码",
    "this id belongs to another service account already"
        => "此 ID 已属于另一个服务账号",
    "another service account has this name"
        => "已有同名的服务账号",
    "this service account is closed"
        => "此服务账号已关闭",
    "a key ends in the future, at most two years from now"
        => "密钥的到期时间应在将来，且最多两年",
    "this service account is closed already"
        => "此服务账号早已关闭",
    "there are {count} service accounts already: close some of them"
        => "已有 {count} 个服务账号，请先关闭一些",
    "this account has {count} keys already: revoke some of them"
        => "此账号已有 {count} 个密钥，请先撤销一些",
    "only administrators decide who sees what is confidential"
        => "只有管理员可以决定谁能看到机密内容",
    "this service account may only read"
        => "此服务账号只能读取",
    "this key is not valid, or no longer"
        => "此密钥无效或已失效",
    "this token was ended; sign in again"
        => "此令牌已被终止，请重新登录",
    "you may not see what is here, so you cannot change it"
        => "您无权查看此处的内容，因此不能修改",
    "only people may do this"
        => "只有用户本人可以这样做",
    "this service account lacks the scope {scope}"
        => "此服务账号缺少权限范围 {scope}",
    "this list holds clients of which you may not see this, so it cannot be filtered or sorted by it; ask for your own clients with `ownerId`"
        => "此列表含有您无权查看该项的客户，因此不能按该项筛选或排序；请用 `ownerId` 只查询自己的客户",
    "nobody here is known by this identity; ask an administrator to link it"
        => "此身份尚未关联任何用户，请联系管理员关联",
    "the keys of the identity provider cannot be had now; try again later"
        => "暂时无法取得身份提供方的密钥，请稍后再试",
    "{address} is not an address of https, or of http on this machine"
        => "{address} 不是 https 地址，也不是本机的 http 地址",
    "{issuer} is the issuer of the tokens of this service itself"
        => "{issuer} 是本服务自身令牌的签发方",
    "this was done already, and its answer held a secret, which is shown once and kept nowhere: make another in its place"
        => "该操作已经完成，其结果含有只显示一次、不作保存的机密内容：请重新生成一个",

    // What people call the rows of each table, and the kinds of ids.
    "user" => "用户",
    "session" => "会话",
    "client" => "客户",
    "tag" => "标签",
    "team member" => "团队成员",
    "client member" => "团队成员",
    "address" => "地址",
    "note" => "备注",
    "contact" => "联系人",
    "category" => "类别",
    "product" => "产品",
    "stock movement" => "库存变动",
    "order" => "订单",
    "order line" => "订单行",
    "order event" => "订单事件",
    "order return" => "退货单",
    "order return line" => "退货行",
    "return" => "退货单",
    "payment" => "收款",
    "tier scheme" => "等级方案",
    "tier" => "等级",
    "tier assignment" => "等级记录",
    "hand-over" => "移交",
    "handover" => "移交",
    "service account" => "服务账号",
    "service key" => "密钥",
    "identity" => "身份",
    "user identity" => "用户身份",
    "device" => "设备",
    "sync issue" => "同步问题",
}
