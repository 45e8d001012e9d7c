"""Words of KQL, the query language of Kusto."""

from __future__ import annotations

from gateway.metering.vocabulary.names import word_set

PURE_OPERATORS = word_set(
    "consume count distinct extend filter getschema limit mv mvexpand order parse project render sample scan "
    "serialize sort summarize take top where reduce assert as"
)
IMPLICIT = word_set("fork facet mv partition")
"""Operators whose operands in parentheses are pipelines without a source."""
OPERATORS = PURE_OPERATORS | IMPLICIT | word_set("join lookup union find search evaluate invoke make graph")
GENERATORS = word_set("print range datatable")
SOURCE_FUNCTIONS = word_set("table external_table materialized_view stored_query_result")
OUTER_FUNCTIONS = word_set("database cluster workspace app resource adx arg")
PURE_PLUGINS = word_set(
    "bag_unpack pivot narrow autocluster basket diffpatterns rolling_percentile sliding_window_counts"
)
NOT_FUNCTIONS = word_set("and or not by on in has_any has_all between where with kind to from step of asc desc matches")
FUNCTIONS = word_set(
    "abs ago arg_max arg_min array_concat array_index_of array_length array_slice array_sort_asc array_sort_desc "
    "array_sum avg avgif bag_keys bag_merge bag_pack base64_decode_tostring base64_encode_tostring bin bin_at case "
    "ceiling coalesce column_ifexists count count_distinct countif countof datetime datetime_add datetime_diff "
    "datetime_part dayofmonth dayofweek dayofyear dcount dcountif dynamic endofday endofmonth endofweek endofyear exp "
    "extract extract_all extractjson floor format_bytes format_datetime format_timespan gettype guid hash hash_sha256 "
    "hourofday iff iif indexof int isempty isfinite isnan isnotempty isnotnull isnull isascii log log10 log2 long "
    "make_bag make_datetime make_list make_list_if make_set make_set_if make_timespan max max_of maxif min min_of "
    "minif monthofyear next not now pack pack_all pack_array parse_ipv4 parse_json parse_path parse_url "
    "parse_urlquery parse_user_agent parse_version percentile percentiles percentilesw percentilew pow prev rand "
    "range real repeat replace_regex replace_string reverse round row_cumsum row_number row_rank series_stats "
    "set_difference set_has_element set_intersect set_union sign split sqrt startofday startofmonth startofweek "
    "startofyear stdev stdevif strcat strcat_array strcat_delim string strlen strrep substring sum sumif take_any "
    "take_anyif any tobool todatetime todecimal todouble todynamic toguid tohex toint tolong tolower toreal tostring "
    "totimespan toupper translate trim trim_end trim_start typeof unixtime_milliseconds_todatetime "
    "unixtime_seconds_todatetime url_decode url_encode variance week_of_year zip timespan bool decimal double "
    "ipv4_is_match ipv4_is_private has_any_index"
)
