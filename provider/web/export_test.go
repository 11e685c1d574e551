package web

import (
	"net/http"

	"github.com/gorilla/mux"
)

// Route is one method of one path of the public surface.
type Route struct{ Method, Path string }

// Routes are all routes of h, which New has made, as the router has them.
func Routes(h http.Handler) (routes []Route, err error) {
	err = h.(*Server).router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		for _, method := range methods {
			routes = append(routes, Route{method, path})
		}
		return err
	})
	return routes, err
}
