"""Names of the arguments of calls."""

from __future__ import annotations

from gateway.metering.vocabulary.names import word_list, word_set

INDEX_ARGUMENTS = word_set(
    "index indexname indices indexuid indexid indexes targetindex indexpattern indexpatterns datastream datastreamname"
)
"""Arguments that name a table only if no other argument does."""

TABLE_ARGUMENTS = INDEX_ARGUMENTS | word_set(
    "table tablename tableid tables tablenames collection collectionname collections viewname relation relationname "
    "entityset sourcetable targettable fromtable totable lefttable righttable tablenameorid tableidorname "
    "measurement measurementname nodelabel nodelabels vectorstore vectorstorename vectorstoreid sobject sobjectname "
    "sobjecttype objectapiname loggroup loggroupname loggroupnames loggroupidentifier loggroupidentifiers "
    "logstore logstorename entitysetname entitylogicalname collectionpath collectiongroup"
)
"""Arguments with the name of a table."""
PATH_ARGUMENTS = word_set("loggroup loggroupname loggroupnames collectionpath")
"""Those of them whose names are paths: `/aws/lambda/pay`."""
TABLE_ENDINGS = ("tablename", "collectionname", "tablefullname")
"""Ends of further names of such arguments: `hypertable_name`."""

SHEET_ARGUMENTS = word_set(
    "sheet sheetname sheets sheetnames worksheet worksheetname worksheets leftsheet rightsheet sourcesheet targetsheet "
    "fromsheet tosheet srcsheet dstsheet srcsheetname dstsheetname"
)
"""Arguments with the name of a spreadsheet's sheet, in which any character is allowed."""

RANGE_ARGUMENTS = word_set("range ranges cellrange cellranges rangea1 a1range a1notation rangeaddress datarange")
"""Arguments with a cell range, optionally preceded by its sheet: `Orders!A1:B5`."""

DATASET_ARGUMENTS = word_set("dataset datasetname datasetid datasetslug datasets")
"""Arguments that name a table if no other argument does; otherwise they name its schema."""

UNQUALIFIED_ARGUMENTS = (
    SHEET_ARGUMENTS
    | DATASET_ARGUMENTS
    | INDEX_ARGUMENTS
    | word_set(
        "collection collectionname collections measurement measurementname nodelabel nodelabels "
        "vectorstore vectorstorename vectorstoreid sobject sobjectname sobjecttype objectapiname"
    )
)
"""Arguments with names that take no schema."""

SOURCE_ARGUMENTS = word_set("sourcetable fromtable sourcesheet fromsheet srcsheet srcsheetname")
"""Arguments with a table that a write reads from."""

WRITTEN_ARGUMENTS = word_set("targettable totable targetsheet tosheet dstsheet dstsheetname")
"""Arguments with a table that is written, whatever the tool."""

OBJECT_ARGUMENTS = word_set("objectname object entityname")
"""Arguments that name a table if another argument says that the object is one, or gives its schema."""

OBJECT_TYPE_ARGUMENTS = word_set("objecttype")
"""Arguments that name a table if no other argument names an object: the records of a CRM are of a type."""

NOT_OBJECT_TYPES = word_set(
    "table tables view views index indexes function functions procedure procedures sequence sequences trigger triggers "
    "schema schemas database databases materialized_view column columns constraint file files folder directory blob "
    "tree commit tag all any object type dashboard dashboards visualization lens map config card question chart report "
    "search query page block user group role folder alert rule connector space item items board boards"
)
"""Types of the objects of a database, a file system or an application, which are no records of a CRM."""

STORAGE_ARGUMENTS = word_set("bucket bucketname container containername key path repo repository owner")
"""Arguments of calls whose objects are files."""

LABEL_ARGUMENTS = word_set("label labels")
TOPIC_ARGUMENTS = word_set("topic topicname topics")
STREAM_ARGUMENTS = word_set("stream streamname streams")
GRAPH_WORDS = word_set("graph node nodes cypher neo4j vertex vertices")
BROKER_WORDS = word_set(
    "kafka pulsar mqtt redpanda pubsub nats rabbitmq consume consumer produce producer publish subscribe"
)
STREAM_WORDS = BROKER_WORDS | word_set("stream streams kinesis jetstream xadd xread xrange xrevrange xlen")
CONTAINER_ARGUMENTS = word_set("container containername containerid collectionid")
ITEM_WORDS = word_set("cosmos cosmosdb item items document documents")
PUBLISH_WORDS = word_set("publish produce send")
"""Tools that write the topic that they name."""
ARGUMENTS_BY_TOOL_WORDS = (
    (CONTAINER_ARGUMENTS, ITEM_WORDS),
    (LABEL_ARGUMENTS, GRAPH_WORDS),
    (TOPIC_ARGUMENTS, BROKER_WORDS),
    (STREAM_ARGUMENTS, STREAM_WORDS),
    (word_set("streamname"), word_set("log logs search")),
    (word_set("out"), word_set("mapreduce reduce")),
    (word_set("identifier"), word_set("table tables")),
    (word_set("resourcetype"), word_set("record records")),
    (word_set("contenttype contenttypeid"), word_set("entry entries")),
)
"""Arguments that name a table only of tools with one of the words: labels of nodes do, labels of issues do not."""

DATABASE_ARGUMENTS = word_set("database databasename db dbname")
"""Arguments with a database, which holds the records itself in tools of documents without a collection."""
DOCUMENT_WORDS = word_set("document documents")
VECTOR_WORDS = word_set("record records vector vectors embedding embeddings")
"""Tools of vectors name their index by `name`, with a `namespace`."""

MODEL_ARGUMENTS = word_set("model modelname")
"""Arguments with a model of a business application, such as `res.partner`."""
EXPLORE_ARGUMENTS = word_set("explore explorename")
"""Arguments with the table of a semantic model, beside the model."""
SELECTED_EXPLORE_ARGUMENTS = EXPLORE_ARGUMENTS | {"view", "cube"}
"""Arguments with such a table, beside the model and the fields that a query selects."""
RECORD_WORDS = word_set("record records odoo fields")
DATA_ARGUMENTS = word_set("data rows records event events points")
"""With rows to write, a data source is a table; otherwise it is a connection."""

OPERATION_ARGUMENTS = word_set("operation action op dmloperation")
WRITE_OPERATIONS = word_set("insert update upsert delete create replace write append remove drop truncate")
"""Values of `OPERATION_ARGUMENTS` with which a call writes."""

MEMBER_ARGUMENTS = {
    ("$lookup", "from"): "collection",
    ("$graphlookup", "from"): "collection",
    ("$unionwith", "coll"): "collection",
    ("from", "coll"): "collection",
    ("$merge", "into"): "targettable",
    ("into", "coll"): "targettable",
    ("$out", "coll"): "targettable",
    ("indexes", "name"): "index",
    ("collections", "name"): "collection",
    ("collection", "name"): "collection",
    ("tables", "name"): "table",
    ("table", "name"): "table",
    **{
        (command, verb): kind
        for command in ("command", "runcommand", "dbcommand", "cmd")
        for kind, verbs in (
            ("collection", "find aggregate count distinct mapreduce collstats listindexes validate"),
            ("targettable", "insert update delete findandmodify drop create createindexes dropindexes"),
        )
        for verb in word_list(verbs)
    },
}
"""(argument, member) of stages of an aggregation pipeline, of lists and of commands of MongoDB, and the name that the
member is treated as."""

KEYED_ARGUMENTS = {"requestitems": "table", "tables": "table", "collections": "collection"}
"""Arguments whose members have the names of tables, if the members hold more than a text, and their kind."""

STAGE_ARGUMENTS = {"$unionwith": "collection", "$out": "targettable", "$merge": "targettable"}
"""Stages of an aggregation pipeline whose value may be a name, and the name that they are treated as."""

SOURCE_STAGES = frozenset(parent for parent, _ in MEMBER_ARGUMENTS if parent[0] == "$") | STAGE_ARGUMENTS.keys()
"""Stages that name a collection; members of other operators are fields."""

CATALOG_ARGUMENTS = ("catalog", "catalogname")
"""Arguments with the catalog of a schema."""
SCHEMA_ARGUMENTS = ("schema", "schemaname", "tableschema", "dataset", "datasetid", "datasetname")
SQL_ARGUMENTS = word_set(
    "sql query statement sqlquery querysql sqltext sqlstatement stmt q queries statements command script "
    "querystring querytext"
)
QUERY_ARGUMENTS = SQL_ARGUMENTS | word_set(
    "search searchquery searchstring querystr queryexpression expr expression selector searchtext pipeline input cmd"
)
"""Arguments that may hold a query in a language other than SQL."""
COMMAND_ARGUMENTS = word_set("command script cmd input")
"""Those of `QUERY_ARGUMENTS` that may also hold commands of a shell, which have pipes, and programs."""
LANGUAGE_ARGUMENTS = word_set("language querylanguage querytype lang querylang syntax")
"""Arguments that may name the language of a query."""
FIELD_ARGUMENTS = word_set("fields columns attributes properties")
"""Arguments with a list of fields to return."""
MEASURE_ARGUMENTS = FIELD_ARGUMENTS | word_set("dimensions measures metrics")
"""Arguments with the fields of a semantic model."""
SELECTING_ARGUMENTS = FIELD_ARGUMENTS | word_set("select")
"""Arguments with fields, in which PostgREST embeds other tables: `id, orders(total)`."""
ENTITY_PATH_ARGUMENTS = word_set("select $select orderby $orderby apply $apply compute $compute groupby")
"""Arguments with fields, in which OData reaches other tables by paths: `orders/total`."""
SOURCE_PARENTS = word_set("query structuredquery")
"""Arguments around a `from` that names the source of a query."""
PROSE_ARGUMENTS = word_set(
    "note notes comment comments description content text message title subject summary reason markdown html"
)
"""Arguments of a writing tool with texts for people."""
EXPANDING_ARGUMENTS = word_set("expand $expand")
"""Arguments with relations of OData, whose tables are not named."""
RELATION_ARGUMENTS = EXPANDING_ARGUMENTS | word_set(
    "include includes included with embed embeds embedded populate preload prefetch eager eagerload withrelations "
    "withrelated related relations relationships associations navigation navigationproperty navigationproperties"
)
"""Arguments beside a table with its relations, whose tables are not named."""
RESULT_PARTS = word_set("documents metadatas embeddings distances uris data")
"""Values of `include` that are parts of the results of a vector store."""
RELATION_PARTS = word_set("metadatas embeddings distances uris")
"""Those of `RESULT_PARTS` that no relation is called; one of them shows that the others are parts as well."""
JOINED_MEMBERS = TABLE_ARGUMENTS | word_set(
    "target source to from with name coll join joins union lookup model entity relation dataset left right view "
    "collectionid"
)
"""Members of an object in an argument such as `joins` that name its table."""
JOIN_MEMBERS = word_set(
    "type kind how on using lefton righton leftkey rightkey leftfield rightfield localfield foreignfield leftcolumn "
    "rightcolumn localkey foreignkey as alias fields columns select limit alldescendants"
)
"""Other members of such an object; a text in them is a column, or compares columns."""
ROW_ARGUMENTS = word_set("row rows record records values value data document documents doc item items")
"""Arguments of a writing tool with what is written."""
READING_WORDS = ROW_ARGUMENTS | word_set(
    "query queries search example examples sample preview schema describe columns fields"
)
"""Words of tools that read or describe the rows of a dataset; others tell about the dataset itself."""
FILTER_ARGUMENTS = word_set(
    "filter filters where match $match term terms condition conditions criteria predicate selector order orderby sort "
    "sortby groupby set $set changes updates projection"
)
"""Arguments with a filter, an order or changes, whose members are columns."""
HANDLE_ARGUMENTS = word_set(
    "scrollid scrollids pit pitid pointintime pointintimeid statementid statementhandle queryexecutionid "
    "queryexecutionids queryid queryhandle asyncqueryid asyncsearchid searchid searchjobid cursorid getmore "
    "resultsetid resulthandle operationhandle savedquery savedqueryid savedsearch savedsearchid namedquery "
    "namedqueryid storedquery storedprocedure procedure procedurename procname rpc searchtemplate searchtemplateid"
)
"""Arguments that stand for a query that the server knows, which may read any table."""
QUERY_HANDLE_ARGUMENTS = word_set("sid jobid executionid resultid")
"""Arguments that stand for one in tools of queries."""
QUERY_TOOL_WORDS = word_set("query queries search searches statement sql result results splunk")
QUERY_PAGE_ARGUMENTS = word_set("nexttoken")
"""Arguments that continue a query, if they are beside one; elsewhere they continue the rows of a table."""
CONDITION_ARGUMENTS = word_set("where whereclause wherecondition condition conditions having")
"""Arguments with an SQL condition."""
FILE_ARGUMENTS = word_set(
    "path paths file files filepath filepaths filename filenames csvpath csvfile inputpath inputfile uri url"
)
REQUEST_PATH_ARGUMENTS = ("path", "endpoint", "url", "uri", "route")
"""Arguments with the path of a request; the first that a call has is it."""

LIMIT_ARGUMENTS = word_set(
    "limit maxresults maxrows maxrecords maxitems pagesize perpage top topk topn numresults nresults resultlimit "
    "rowlimit maxcount maxhits first"
)
"""Arguments with the largest number of records of the result."""

ID_ENDINGS = (
    "id",
    "key",
    "uuid",
    "guid",
    "number",
    "slug",
    "identifier",
    "iid",
    "ref",
    "sha",
    "permalink",
    "uri",
    "url",
)
"""Endings of the names of arguments that identify one entity."""
