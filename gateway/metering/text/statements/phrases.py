# ruff: noqa: E501, RUF001 - fragments of several languages, a line or more each
"""Phrases of servers in eight languages, by meaning: nouns for records, stated numbers, nothing found, errors, writes.

The tables hold fragments of regular expressions by language, in lower case, from which `patterns` makes expressions.
They hold common terms only, never the words of one server.
"""

from __future__ import annotations

ROWS = {
    "en": r"rows?|records?|results?|documents?|docs|entries|entry|items?|hits?|matches|match|objects?|lines?|values?|"
    r"points?|data points?|samples?",
    "de": r"zeilen?|datens(?:a|ä)tze?n?|datensatz|ergebniss?e?n?|eintr(?:a|ä)ge?n?|eintrag|treffern?|dokumente?n?|"
    r"elemente?n?|objekte?n?|werte?n?|vorg(?:a|ä)nge?n?|vorgang",
    "es": r"filas?|registros?|resultados?|documentos?|entradas?|elementos?|coincidencias?|objetos?|l[ií]neas?|valore?s?",
    "fr": r"lignes?|enregistrements?|r[ée]sultats?|documents?|entr[ée]es?|[ée]l[ée]ments?|correspondances?|objets?|valeurs?",
    "pt": r"linhas?|registr?os?|resultados?|documentos?|entradas?|ite[nm]s?|objetos?|ocorr[êe]ncias?|valore?s?",
    "ru": r"строк[аиу]?|запис(?:ь|и|ей)|результат(?:а|ы|ов)?|документ(?:а|ы|ов)?|элемент(?:а|ы|ов)?|"
    r"совпадени(?:е|я|й)|объект(?:а|ы|ов)?|значени(?:е|я|й)",
    "zh": r"行|条|條|个|個|项|項|笔|筆|份|篇|件|列|数据|數據|资料|資料|记录|記錄|紀錄|结果|結果|文档|文檔|文件|条目|條目|匹配项|匹配",
    "ja": r"件|行|個|レコード|結果|データ|ドキュメント|項目|エントリー?|ヒット|一致",
}
"""Nouns and counters for the records of any result."""

THINGS = {
    "en": r"tables?|views?|schemas?|databases?|collections?|files?|directories|folders?|tasks?|todos?|notes?|events?|"
    r"issues?|tickets?|messages?|users?|people|contacts?|connections?|sessions?|indexes|indices|index|nodes?|tags?|"
    r"keys?|pages?|posts?|articles?|comments?|commits?|branches|projects?|repositories|repos|pull requests?|products?|"
    r"orders?|customers?|accounts?|logs?|log lines?|log entries|alerts?|metrics?|series|datasets?|buckets?|topics?|"
    r"streams?|sheets?|worksheets?|columns?|fields?|memories|memory|entities|entity|relations?|observations?|chunks?|"
    r"passages?|snippets?|symbols?|functions?|jobs?|tools?|resources?|groups?|labels?|names?|queries|bookmarks?|"
    r"reminders?|books?|songs?|movies?|places?|locations?|vectors?|embeddings?|edges?|members?",
    "de": r"tabellen?|datenbanken?|dateien?|datei|ordnern?|aufgaben?|notizen?|nachrichten?|nutzern?|benutzern?|tickets?|"
    r"sammlungen?|spalten?|seiten?|kunden?|projekten?|projekte?|termine?",
    "es": r"tablas?|bases? de datos|archivos?|ficheros?|carpetas?|tareas?|notas?|mensajes?|usuarios?|columnas?|"
    r"colecci(?:o|ó)n(?:es)?|p[áa]ginas?|clientes?|proyectos?",
    "fr": r"tables?|bases? de donn[ée]es|fichiers?|dossiers?|t[âa]ches?|notes?|messages?|utilisateurs?|colonnes?|"
    r"collections?|pages?|clients?|projets?|donn[ée]es?",
    "pt": r"tabelas?|bancos? de dados|arquivos?|ficheiros?|pastas?|tarefas?|notas?|mensage(?:m|ns)|usu[áa]rios?|"
    r"colunas?|cole[çc](?:[ãa]o|[õo]es)|p[áa]ginas?|clientes?|projetos?|dados?",
    "ru": r"таблиц[аыу]?|файл(?:а|ы|ов)?|задач[аиу]?|замет(?:ка|ки|ок)|сообщени(?:е|я|й)|пользовател(?:ь|я|и|ей)|"
    r"столб(?:ец|ца|цы|цов)|колонк[аи]|папк[аи]|проект(?:а|ы|ов)?|данных",
    "zh": r"表|数据表|資料表|数据库|資料庫|集合|任务|任務|笔记|筆記|用户|用戶|使用者|消息|訊息|字段|欄位|索引|日志|日誌|张表|張表",
    "ja": r"テーブル|ファイル|タスク|ノート|メモ|ユーザー?|メッセージ|カラム|コレクション|ログ",
}
"""Nouns for what else tools list."""

DATA = {"de": r"daten", "es": r"datos", "fr": r"donn[ée]es", "pt": r"dados"}
"""The word for data; the English one and the cases of the Russian one are in the patterns."""

SHOWN = {
    "en": r"showing|shown|displaying|displayed|returned|returning|returns|retrieved|fetched|listing|listed|first|top|"
    r"last|latest|read|loaded|truncated to|limited to",
    "de": r"zeige|zeigt|angezeigt|angezeigte|zur(?:u|ü)ckgegeben|zur(?:u|ü)ckgegebene|erste[nr]?|letzte[nr]?|abgerufen",
    "es": r"mostrando|mostrad[oa]s?|devuelt[oa]s?|devolvieron|primer[oa]s|[úu]ltim[oa]s|obtenid[oa]s?|se muestran",
    "fr": r"affichage de|affichage|affich[ée]e?s?|renvoy[ée]e?s?|retourn[ée]e?s?|premi[èe]re?s|derni[èe]re?s|r[ée]cup[ée]r[ée]e?s?",
    "pt": r"mostrando|exibindo|exibid[oa]s?|mostrad[oa]s?|retornad[oa]s?|devolvid[oa]s?|primeir[oa]s|[úu]ltim[oa]s|obtid[oa]s?",
    "ru": r"показан[оы]?|отображено|возвращено|получено|выведено|первые|последние",
    "zh": r"返回|回傳|传回|傳回|显示|顯示|前|获取到?|獲取到?|取得|读取到?|讀取",
    "ja": r"表示|取得|返却|先頭|最初の|最新",
}
"""Words before or after the number of records returned."""

FOUND = {
    "en": r"found|total|in total|totals?|matched|matching|count|available|overall|altogether",
    "de": r"gefunden|insgesamt|gesamt|gesamtzahl|anzahl|summe|vorhanden",
    "es": r"encontr(?:ad[oa]s?|aron|[óo])|total|en total|cantidad|n[úu]mero",
    "fr": r"trouv[ée]e?s?|total|au total|nombre",
    "pt": r"encontr(?:ad[oa]s?|aram|ou)|total|no total|quantidade|n[úu]mero",
    "ru": r"найден[оаы]?|всего|итого|количество|число",
    "zh": r"找到|查到|查询到|查詢到|搜索到|搜尋到|检索到|檢索到|发现|發現|共计|共計|共有|共|总共|總共|总计|總計|总数|總數|总|總|合计|合計|数量|數量",
    "ja": r"見つか(?:りました|った)|ヒット|合計|総数|件数|全部で|全|計",
}
"""Words before or after the number of records that exist."""

OF = {
    "en": r"out of|of|from",
    "de": r"von|aus",
    "es": r"de un total de|de",
    "fr": r"sur",
    "pt": r"de um total de|de",
    "ru": r"из",
}
RANGE_TO = {"en": r"to|through", "de": r"bis", "es": r"al?", "fr": r"[àa]", "pt": r"at[ée]|a", "ru": r"по|до"}
"""Words between the first and the last number of a page."""

MORE = {
    "en": r"more|others?",
    "de": r"weitere",
    "es": r"m[áa]s",
    "fr": r"autres|de plus",
    "pt": r"mais|outr[oa]s",
    "ru": r"ещ[её]",
}
"""Words after the number of records that were left out."""

LEAD = {
    "en": r"query|search|executed|completed|successfully|success|ok|in|all|only|up|summary|result|response|page|size|number|the",
    "de": r"abfrage|suche|ergebnis|erfolgreich|ausgef(?:u|ü)hrt|die|der",
    "es": r"consulta|b[úu]squeda|se|la|el|ejecutada|correctamente|en",
    "fr": r"requ[êe]te|recherche|la|le|ex[ée]cut[ée]e|avec|succ[èe]s|en",
    "pt": r"consulta|busca|pesquisa|a|o|executada|com|sucesso|em|foram",
    "ru": r"запрос|поиск|выполнен|успешно|в",
}
"""Words that may precede a stated number of records."""

PAGE = {
    "en": r"pages?|steps?|parts?|versions?|chunks?|levels?|score|rank|priority",
    "de": r"seite|schritt|teil",
    "es": r"p[áa]gina|paso|parte",
    "fr": r"page|[ée]tape|partie",
    "pt": r"p[áa]gina|etapa|parte",
    "ru": r"страница|стр\.|шаг|часть",
}
"""Words before "1 of 5" that make it another statement than a number of records."""

ERROR = {
    "de": r"(?:\S+ ){0,3}\w{0,20}(?:fehler|ausnahme)\b(?: (?:beim?|bei|in|w(?:a|ä)hrend|aufgetreten)\b|\s*[:!.]|\s*\Z)|"
    r"[^\n:.]{0,60}\b(?:fehlgeschlagen|gescheitert)\b|(?:zugriff|verbindung|anfrage)\b[^\n]{0,30}\b(?:verweigert|"
    r"abgelehnt|unterbrochen)|"
    r"ung(?:u|ü)ltige?[rsn]? |unbekannte?[rsn]? |konnte (?:\S+ ){0,6}nicht\b|nicht autorisiert|zeit(?:u|"
    r"ü)berschreitung|"
    r"[^\n]{0,80}(?:existiert nicht|nicht erlaubt|nicht zul(?:a|ä)ssig)",
    "es": r"(?:ocurri[óo] un |se produjo un |ha ocurrido un )?error(?:\s*[:!.]| (?:al|en|de|durante|inesperado|interno)\b|\s*\Z)|"
    r"no se (?:pudo|pudieron|puede|ha podido)\b|(?:la|el) (?:\S+ ){1,3}(?:fall[óo]|ha fallado)\b|fallo (?:al|en|de)\b|"
    r"(?:acceso|permiso) denegado|(?:consulta|par[áa]metro|sintaxis|argumento) (?:no v[áa]lid|inv[áa]lid)[oa]|"
    r"[^\n]{0,80}\bno (?:existe|est[áa] permitid[oa])\b|tiempo de espera agotado",
    "fr": r"(?:une )?(?:erreur|exception)(?: (?:lors|de|dans|pendant|interne|inattendue|est survenue|s'est produite)\b|\s*[:!.]|\s*\Z)|"
    r"impossible d[e']|[ée]chec (?:de|d'|du|lors)|(?:la|le) (?:\S+ ){1,3}a [ée]chou[ée]|acc[èe]s (?:refus[ée]|"
    r"interdit)|"
    r"(?:requ[êe]te|param[èe]tre|syntaxe|argument) (?:invalide|incorrecte?|non valide)|[^\n]{0,80}\bn'(?:existe pas|"
    r"est pas autoris[ée]e?)|"
    r"d[ée]lai d'attente d[ée]pass[ée]",
    "pt": r"(?:ocorreu um )?erro(?: (?:ao|na|no|de|durante|inesperado|interno)\b|\s*[:!.]|\s*\Z)|falha (?:ao|na|no|de)\b|"
    r"n[ãa]o foi poss[íi]vel\b|(?:a|o) (?:\S+ ){1,3}falhou\b|(?:acesso|permiss[ãa]o) negad[oa]|"
    r"(?:consulta|par[âa]metro|sintaxe|argumento) inv[áa]lid[oa]|[^\n]{0,80}\bn[ãa]o (?:existe|[ée] permitid[oa])\b|"
    r"tempo limite",
    "ru": r"(?:произошла |внутренняя |неизвестная |непредвиденная )?(?:ошибк[аи]|исключение)(?: \S|\s*[:!.]|\s*\Z)|не удалось\b|"
    r"невозможно\b|доступ запрещ[её]н|отказано в доступе|неверн(?:ый|ая|ое) (?:запрос|параметр|синтаксис|аргумент)|"
    r"[^\n]{0,80}не (?:существует|разрешен[оаы]?)\b|превышено время|сбой\b",
    "zh": r"[^\n::,|]{0,16}(?:错误|錯誤|出错|出錯|失败|失敗|异常|異常|报错|報錯)(?:了)?\s*(?:[:!。.,]|\Z|-|\()|(?:发生|發生|遇到|出现|出現)(?:了)?[^\n]{0,6}(?:错误|錯誤|异常|異常)|"
    r"(?:无法|無法|不能|未能)(?:连接|連接|连线|連線|执行|執行|访问|存取|读取|讀取|获取|取得|解析|打开|開啟|找到[^\n]{0,20}(?:表|库|文件))|"
    r"[^\n。]{0,40}(?:不存在|超时|超時|逾时|逾時)\s*[。.!]?\s*\Z|[^\n]{0,12}(?:没有权限|沒有權限|无权限|無權限|权限不足|權限不足|拒绝访问|拒絕存取|访问被拒绝)|"
    r"(?:无效|無效|非法|不支持|不支援)的?[^\n]{1,30}|缺少[^\n]{0,12}(?:参数|參數|字段)|(?:只|仅|僅)(?:允许|允許|支持|支援|能)[^\n]{0,30}(?:查询|查詢|"
    r"select|操作|语句|語句)",
    "ja": r"(?:[^\n:]{0,12})?エラー(?:が発生|です|:|\s*\Z|が|コード)|[^\n]{0,40}(?:失敗しました|失敗した|できませんでした|できません|許可されていません|"
    r"拒否されました|タイムアウト(?:しました)?)|[^\n]{0,40}(?:テーブル|データベース|ファイル|カラム|列)[^\n]{0,30}(?:存在しません|見つかりません(?:でした)?)|"
    r"無効な|不正な|例外が発生",
}
"""Errors, from the beginning of a message; English ones are in `errors`."""

NOT_FOUND = {
    "en": r"(?:was |were |could |is |are )?not (?:be )?found",
    "de": r"(?:wurden? )?nicht gefunden",
    "es": r"no (?:se )?encontrad[oa]s?|no (?:se )?encontr[óo]|no (?:se )?encontraron",
    "fr": r"(?:est |sont )?introuvables?|(?:est |sont )?non trouv[ée]e?s?",
    "pt": r"n[ãa]o (?:foi |foram )?encontrad[oa]s?",
    "ru": r"не найден[оаы]?",
}
"""Statements after a name that it does not exist."""

NOTHING = {
    "en": r"(?:\w+ ){0,3}returned (?:an )?empty (?:results?|response|list|set)|none of (?:the|your) \w+ match(?:es|ed)?|nothing (?:found|to (?:show|display|list)|matche[ds]|here|yet)|none found|no matches?|"
    r"empty (?:set|results?|result set|table|list|array|data ?frame|response)|"
    r"(?:the |this |your )?(?:query |search |current )?(?:results?|result set|output|list|table|database|collection|"
    r"queue|"
    r"folder|directory|sheet|response|graph|index|cache) (?:is|are|was|were) (?:currently )?empty",
    "de": r"nichts gefunden|leeres ergebnis|leere (?:liste|menge|tabelle)|(?:das |die |der )?(?:ergebnis|liste|tabelle|ordner) ist leer",
    "es": r"nada encontrado|no se encontr[óo] nada|(?:el |la )?(?:resultado|lista|tabla|carpeta) est[áa] vac[íi][oa]|resultado vac[íi]o",
    "fr": r"rien (?:trouv[ée]|[àa] afficher|n'a [ée]t[ée] trouv[ée])|r[ée]sultat vide|(?:le |la )?(?:r[ée]sultat|liste|table|dossier) est vide",
    "pt": r"nada (?:foi )?encontrado|(?:o |a )?(?:resultado|lista|tabela|pasta) est[áa] vazi[oa]|resultado vazio",
    "ru": r"ничего не найдено|пусто|пустой результат|(?:результат|список|таблица) пуст(?:а|о|ой)?",
    "ko": r"[^\n.]{0,40}(?:없습니다|없음|못했습니다)",
    "zh": r"[^\n。,]{0,10}(?:结果|結果|数据|資料|列表|清单|清單|内容|表|集合|数据库|資料庫)(?:集)?(?:为空|為空|是空的)|空(?:结果|結果|列表|集合|数据)|"
    r"(?:没有|沒有|未|无|無|暂无|暫無|找不到|查无|查無|尚无|尚無|并无|並無|搜不到|查不到)[^\n。,!?]{0,24}?"
    r"(?:数据|數據|资料|資料|结果|結果|记录|記錄|紀錄|信息|内容|內容|条目|條目|匹配项?|文件|档案|檔案|文档|文檔|任务|任務|笔记|筆記|表)|"
    r"[^\n。,]{0,30}(?:没有|沒有|无|無)(?:任何)?(?:结果|結果|匹配项?|数据|數據|资料|資料|记录|記錄)|"
    r"[^\n。,]{0,10}(?:中|里|內|内)(?:没有|沒有|无|無)[^\n。,]{0,16}|(?:什么都没|没有|未能?|沒有)(?:找到|查到|查询到|查詢到|搜索到|搜尋到)(?:[^\n。,!?]{1,24}(?=[\s。.!]*\Z))?",
    "ja": r"[^\n。]{0,30}?(?:結果|データ|レコード|項目|該当|一致|もの|ノート|タスク|ユーザー|メッセージ|ドキュメント|記録|情報|ログ)[^\n。]{0,16}?"
    r"(?:見つかりません(?:でした)?|ありません(?:でした)?|ない|なし|存在しません|ございません)|該当なし|該当無し|(?:結果|リスト|データ)は空です|何も見つかりません(?:でした)?|"
    r"見つかりません(?:でした)?|[^\n。]{0,20}は(?:まだ)?ありません",
}
"""Whole statements that there are no records."""

NO = {
    "en": r"no|zero",
    "de": r"keinen?|keinerlei|es (?:gibt|sind|wurden?) keinen?",
    "es": r"ning[úu]n|ninguna|sin|no hay(?: ning[úu]na?)?|no existen|no (?:arroj|devolv|produj|hubo|hab)\w*(?: ning[úu]na?)?|no se (?:han? )?(?:encontr|hall)\w+(?: ning[úu]na?)?",
    "fr": r"aucune?|pas d[e']|il n'y a (?:aucune?|pas d[e'])|ne contient (?:aucune?|pas d[e'])",
    "pt": r"nenhuma?|sem|n[ãa]o h[áa](?: nenhuma?)?|n[ãa]o existem|n[ãa]o (?:retorn|devolv|produz|houve)\w*(?: nenhuma?)?|n[ãa]o (?:foi|foram) encontrad\w+(?: nenhuma?)?",
    "ru": r"нет|нету",
}
"""Words before a noun that state that there is none."""

SORRY = {
    "en": r"sorry|unfortunately",
    "de": r"leider|(?:f(?:u|ü)r|zu) (?:ihre|diese|die) (?:suche|anfrage) (?:wurden|gibt es)",
    "es": r"lo siento|lamentablemente|para (?:su|esta) (?:b[úu]squeda|consulta)",
    "fr": r"d[ée]sol[ée]|malheureusement|pour (?:votre|cette) (?:recherche|requ[êe]te)",
    "pt": r"desculpe|infelizmente|para (?:sua|esta) (?:busca|pesquisa|consulta)",
    "ru": r"к сожалению|по (?:вашему|этому|данному) запросу",
}
"""Words before a statement that nothing was found."""

AFTER_NONE = {
    "en": r"(?:(?:was|were|is|are|have been|has been|could be) )?(?:found|available|returned|matched|match|matching|yet|exists?|"
    r"registered|configured|defined|stored|recorded|present|created|scheduled|listed|here|about|for|in|with|on|at|to|of|"
    r"from|that|"
    r"since|between|currently|right now|due|today|or|and|\()",
    "de": r"(?:gefunden|vorhanden|verf(?:u|ü)gbar|f(?:u|ü)r|in|mit|zu|mehr|im|am)",
    "es": r"(?:encontrad[oa]s?|disponibles?|para|en|con|que|coincid\w+|de|del)",
    "fr": r"(?:(?:n'a |n'ont )?(?:[ée]t[ée] )?(?:trouv[ée]e?s?|disponibles?)|pour|dans|avec|ne correspond\w*|correspondant\w*|qui|n'existe|d[eu'])",
    "pt": r"(?:(?:foi |foram )?(?:encontrad[oa]s?|dispon[íi]ve(?:l|is))|para|em|com|que|correspond\w+|no|na|de|do|da)",
    "ru": r"(?:не )?(?:найден[оаы]?|доступн\w+|для|в|по|с|за|соответству\w+)",
}
"""Words that may follow after a statement that there is none."""

HINT = {
    "en": r"suggestions?|tips?|try|possible|reasons?|hints?|notes?|next steps?|did you mean|you (?:can|could|may)|use|check|"
    r"make sure|please|available|related|parameters|filters|criteria",
    "de": r"vorschl(?:a|ä)ge?|tipps?|hinweise?|m(?:o|ö)gliche|meinten sie|versuchen|bitte",
    "es": r"sugerencias?|consejos?|posibles|pruebe|intente|quiso decir|puede",
    "fr": r"suggestions?|conseils?|raisons?|essayez|vouliez-vous|vous pouvez",
    "pt": r"sugest(?:[ãa]o|[õo]es)|dicas?|poss[íi]ve(?:l|is)|tente|voc[êe] pode",
    "ru": r"совет(?:ы|ов)?|возможн\w+|попробуйте|подсказк[аи]|вы можете",
    "zh": r"可能|建议|建議|提示|您可以|请|請|尝试|嘗試",
    "ja": r"可能性|ヒント|提案|お試し|してください",
}
"""Words that introduce advice below a statement that nothing was found."""

CHANGED = {
    "en": r"affected|inserted|updated|deleted|changed|modified|added|written|removed|created|upserted|imported|saved|stored|appended",
    "de": r"betroffen|eingef(?:u|ü)gt|aktualisiert|gel(?:o|ö)scht|ge(?:a|ä)ndert|hinzugef(?:u|ü)gt|geschrieben|entfernt|erstellt|gespeichert",
    "es": r"afectad[oa]s?|insertad[oa]s?|actualizad[oa]s?|eliminad[oa]s?|borrad[oa]s?|modificad[oa]s?|a[ñn]adid[oa]s?|agregad[oa]s?|cread[oa]s?|guardad[oa]s?",
    "fr": r"affect[ée]e?s?|insér[ée]e?s?|inser[ée]e?s?|mise?s? [àa] jour|supprim[ée]e?s?|modifi[ée]e?s?|ajout[ée]e?s?|cré[ée]e?s?|cre[ée]e?s?|enregistr[ée]e?s?",
    "pt": r"afetad[oa]s?|inserid[oa]s?|atualizad[oa]s?|exclu[íi]d[oa]s?|apagad[oa]s?|removid[oa]s?|modificad[oa]s?|alterad[oa]s?|adicionad[oa]s?|criad[oa]s?|salv[oa]s?",
    "ru": r"затронут[оаы]?|вставлен[оаы]?|добавлен[оаы]?|обновлен[оаы]?|обновлён[оаы]?|удален[оаы]?|удалён[оаы]?|изменен[оаы]?|изменён[оаы]?|создан[оаы]?|сохранен[оаы]?",
    "zh": r"影响|影響|插入|新增|更新|修改|删除|刪除|添加|写入|寫入|创建|創建|建立|保存|儲存|移除|导入|匯入",
    "ja": r"影響|挿入|更新|削除|追加|作成|変更|保存|登録|書き込み",
}
"""Participles of a write."""

SUCCESSFULLY = {
    "de": r"erfolgreich",
    "es": r"correctamente",
    "fr": r"avec succ[èe]s",
    "pt": r"com sucesso",
    "ru": r"успешно",
}
"""Adverbs beside a participle of a write; the English one is in `writes`."""
