#include "manual.h"

#include "settings.h"

void manual_text(FILE *out, const char *text)
{
    bool is_first = true;
    for (; *text != '\0'; text++) {
        if (is_first && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        is_first = *text == '\n';
    }
}

void manual_head(FILE *out, const char *name, int section, const char *what)
{
    fprintf(out, ".TH %s %d \"\" \"paidan %s\" \"paidan\"\n.SH NAME\n%s \\- %s\n", name, section, PAIDAN_VERSION, name, what);
}

void manual_item(FILE *out, const char *tag, const char *text)
{
    fputs(".TP\n\\fB", out);
    manual_text(out, tag);
    fputs("\\fR\n", out);
    manual_text(out, text);
    fputc('\n', out);
}

static void print_setting(void *context, const char *key, const char *range, const char *initial, const char *text, bool may_reload)
{
    FILE *out = context;
    fputs(".TP\n\\fB", out);
    manual_text(out, key);
    fputs("\\fR ", out);
    manual_text(out, range);
    fputc('\n', out);
    manual_text(out, text);
    fputs(". Default: ", out);
    manual_text(out, initial[0] != '\0' ? initial : "empty");
    fputs(may_reload ? ". Reload.\n" : ".\n", out);
}

void manual_settings(FILE *out)
{
    manual_head(out, "paidand.conf", 5, "settings of paidand");
    fputs(".SH DESCRIPTION\nOne \\fIkey = value\\fR a line; a line that begins with # is a comment. Every key is a long option of\n"
          ".BR paidand (8)\nas well, and an option wins. \\fBpaidand \\-\\-check\\fR tests a file; a wrong value is said with file, line, key and range.\n"
          "A reload (SIGHUP) takes the keys marked so.\n.SH KEYS\n", out);
    manual_item(out, "listen", "unix:PATH, tcp:127.0.0.1:PORT, http:127.0.0.1:PORT or tls:ADDRESS:PORT; may stand several times");
    settings_each(print_setting, out);
    fputs(".SH SEE ALSO\n.BR paidand (8),\n.BR paidan (1)\n", out);
}
