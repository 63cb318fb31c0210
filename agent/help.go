package agent

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// helpPage is one page an error: what it is, why, and what to do, in both languages. It shows the catalogue and nothing
// of the desk's work.
var helpPage = template.Must(template.New("help").Parse(`<!doctype html>
<html lang="vi"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.ID}} · Tapcheck</title>
<style>
body{font:18px/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#1b2733;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:1.5rem 0 .2rem;color:#0b5d66}p{margin:.2rem 0}
code{color:#52606d}section+section{border-top:1px solid #d5dde3;margin-top:2rem;padding-top:1rem}
</style>
<section><h1>{{.Text.VI}}</h1><code>{{.ID}}</code>
<h2>Làm gì bây giờ</h2><p>{{.Next.VI}}</p><h2>Vì sao</h2><p>{{.Cause.VI}}</p>
<p><a href="/manual/vi/troubleshooting.html#{{.ID}}">Hướng dẫn cho bộ phận CNTT</a></p></section>
<section lang="en"><h1>{{.Text.EN}}</h1>
<h2>What to do now</h2><p>{{.Next.EN}}</p><h2>Why</h2><p>{{.Cause.EN}}</p>
<p><a href="/manual/en/troubleshooting.html#{{.ID}}">Manual for IT</a></p></section>
</html>
`))

// helpPages serves /help/{id}.
func helpPages() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry, ok := catalog.Lookup(catalog.ID(strings.TrimPrefix(r.URL.Path, "/help/")))
		if !ok || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_ = helpPage.Execute(w, entry)
	})
}
