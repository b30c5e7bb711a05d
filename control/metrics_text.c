/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 128

/* name{labels} value */
static bool read_line(char *line, struct metrics_sample *sample)
{
    char *end, *number = strrchr(line, ' ');
    if (line[0] == '#' || !number)
        return false;
    *number++ = '\0';
    sample->name = line;
    sample->labels = "";
    char *open = strchr(line, '{');
    if (open) {
        char *close = strrchr(open, '}');
        if (!close)
            return false;
        *open = *close = '\0';
        sample->labels = open + 1;
    }
    sample->value = strtod(number, &end);
    return end != number;
}

void metrics_read(char *text, struct metrics_snapshot *snapshot)
{
    char *rest = NULL;
    snapshot->sample_count = 0;
    for (char *line = strtok_r(text, "\r\n", &rest);
         line && snapshot->sample_count < METRICS_SAMPLES_MAX; line = strtok_r(NULL, "\r\n", &rest))
        if (read_line(line, &snapshot->samples[snapshot->sample_count]))
            snapshot->sample_count++;
}

double metrics_sum(const struct metrics_snapshot *snapshot, const char *name, const char *label)
{
    double sum = 0;
    for (uint32_t i = 0; i < snapshot->sample_count; i++) {
        const struct metrics_sample *sample = &snapshot->samples[i];
        if (strcmp(sample->name, name) == 0 && (!label || strstr(sample->labels, label)))
            sum += sample->value;
    }
    return sum;
}

void metrics_label(const struct metrics_sample *sample, const char *label, char *value,
                   size_t value_bytes)
{
    char start[NAME_BYTES];
    snprintf(start, sizeof(start), "%s=\"", label);
    const char *found = strstr(sample->labels, start);
    if (found)
        found += strlen(start);
    snprintf(value, value_bytes, "%.*s", found ? (int)strcspn(found, "\"") : 0, found ? found : "");
}

double metrics_quantile(const struct metrics_snapshot *before, const struct metrics_snapshot *after,
                        const char *name, double share)
{
    char bucket[NAME_BYTES], count[NAME_BYTES], bound[32], label[48];
    snprintf(bucket, sizeof(bucket), "%s_bucket", name);
    snprintf(count, sizeof(count), "%s_count", name);
    double total = metrics_sum(after, count, NULL) - metrics_sum(before, count, NULL);
    if (total <= 0)
        return -1;
    double last = 0;
    for (uint32_t i = 0; i < after->sample_count; i++) {
        const struct metrics_sample *sample = &after->samples[i];
        if (strcmp(sample->name, bucket) != 0)
            continue;
        metrics_label(sample, "le", bound, sizeof(bound));
        if (strcmp(bound, "+Inf") == 0)
            break;
        last = strtod(bound, NULL);
        snprintf(label, sizeof(label), "le=\"%s\"", bound);
        if (sample->value - metrics_sum(before, bucket, label) >= share * total)
            break;
    }
    return last;
}
